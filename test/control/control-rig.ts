import { join } from "node:path";

import { ApiError, isNotFound } from "../../controller/kube/api-error.ts";
import type { ApiClient } from "../../controller/kube/api-client.ts";
import type { KubeObject } from "../../controller/kube/objects.ts";
import {
  NAMESPACES,
  OWNERS,
  PODS,
  SALVAGE_RECORDS,
  type KubeResource,
} from "../../controller/kube/resources.ts";
import { readSalvageRecord } from "../../controller/objects/read-salvage-record.ts";
import type { SalvageRecord } from "../../controller/objects/salvage-record.ts";
import { stripPod } from "../../controller/objects/strip-pod.ts";
import type { StrippedPod } from "../../controller/objects/pod.ts";
import { ROLES } from "../../lib/roles.ts";
import { startSharedRig, type Rig, type RigNodeSpec } from "../harness/rig.ts";
import { oldestFirst } from "../harness/oldest-first.ts";
import { waitFor } from "../harness/wait.ts";
import { startFakeKubelet } from "../harness/fake-kubelet.ts";
import { startCluster, type ControlCluster } from "./cluster.ts";
import { startController, type ControllerProcess } from "./controller-process.ts";
import { startEventSink, type EventSink } from "./event-sink.ts";
import {
  namespaceManifest,
  podManifest,
  workloadManifest,
  type Manifest,
  type PodOptions,
} from "./objects.ts";

/** Nodes with containerds and agents, an API server, and a controller between them. */
export interface ControlRig {
  readonly rig: Rig;
  readonly cluster: ControlCluster;
  readonly api: ApiClient;
  readonly sink: EventSink;
  /** the controller that was started last */
  readonly controller: ControllerProcess;
  /** Starts another controller; the one before must have ended, or stands aside. */
  startController(args?: readonly string[]): Promise<ControllerProcess>;
  create(of: KubeResource, object: Manifest): Promise<KubeObject>;
  createNamespace(name: string, annotations?: Readonly<Record<string, string>>): Promise<void>;
  /** A pod of a Deployment: the Deployment and its ReplicaSet are made, too. */
  createDeploymentPod(
    options: Omit<PodOptions, "owner"> & {
      readonly deploymentAnnotations?: Readonly<Record<string, string>>;
    },
  ): Promise<StrippedPod>;
  createPod(options: PodOptions): Promise<StrippedPod>;
  pod(namespace: string, name: string): Promise<StrippedPod | undefined>;
  /** Records of a namespace, oldest first. */
  records(namespace: string): Promise<readonly SalvageRecord[]>;
  /** Waits for the oldest record of a namespace to fit. */
  waitForRecord(
    namespace: string,
    what: string,
    fits: (record: SalvageRecord) => boolean,
    timeoutMs?: number,
  ): Promise<SalvageRecord>;
  waitForRunning(namespace: string, name: string, timeoutMs?: number): Promise<void>;
}

/** Options of startControlRig. */
export interface ControlRigOptions {
  /** of the first controller */
  readonly args?: readonly string[];
  /** have kubelets look for missing content before a container starts; slow with many pods. Default false. */
  readonly checksContent?: boolean;
}

/** Starts all of it for the tests of one file; `rig.cleanup.run()` ends it. */
export async function startControlRig(
  specs: Readonly<Record<string, RigNodeSpec>>,
  options: ControlRigOptions = {},
): Promise<ControlRig> {
  const rig = await startSharedRig(specs);
  try {
    return await startRest(rig, options);
  } catch (error) {
    await rig.cleanup.run();
    throw error;
  }
}

async function startRest(rig: Rig, settings: ControlRigOptions): Promise<ControlRig> {
  const { args: firstArgs = [], checksContent = false } = settings;
  const { cleanup } = rig;
  const cluster = await startCluster(cleanup);
  const { api } = cluster;
  const signal = new AbortController().signal;
  const sink = await startEventSink(cleanup);
  await api.create(NAMESPACES, namespaceManifest("tote", {}), { signal });
  // at the pace of a real kubelet: a pod that waits needs its nudge to be quick
  for (const node of Object.values(rig.nodes))
    await startFakeKubelet({ api, cleanup, containerd: node.containerd, timeScale: 1, checksContent });
  const certDir = join(cleanup.directory(), "controller-certs");
  await rig.pki.write(certDir, await rig.pki.role(ROLES.controller));
  const agents = Object.fromEntries(Object.entries(rig.nodes).map(([name, { agent }]) => [name, agent.url]));
  const start = async (args: readonly string[]): Promise<ControllerProcess> =>
    await startController({
      cleanup,
      kubeconfig: cluster.controllerKubeconfig,
      certDir,
      agents,
      args: ["--webhook-url", sink.url, "--cluster-name", "test", ...args],
    });
  let controller = await start(firstArgs);

  async function create(of: KubeResource, object: Manifest): Promise<KubeObject> {
    return await api.create<KubeObject>(of, object, { signal });
  }
  async function records(namespace: string): Promise<readonly SalvageRecord[]> {
    const found: SalvageRecord[] = [];
    for await (const page of api.list(SALVAGE_RECORDS, { namespace, signal })) {
      for (const item of page.items) {
        const reading = readSalvageRecord(item);
        if (reading.kind === "invalid") throw new Error(`record ${reading.name}: ${reading.message}`);
        found.push(reading.record);
      }
    }
    return oldestFirst(found);
  }
  const control: ControlRig = {
    rig,
    cluster,
    api,
    sink,
    get controller() {
      return controller;
    },
    async startController(args = []) {
      controller = await start(args);
      return controller;
    },
    create,
    async createNamespace(name, annotations) {
      await create(NAMESPACES, namespaceManifest(name, annotations));
    },
    async createDeploymentPod(options) {
      const { namespace, image, name, deploymentAnnotations = { "tote.dev/auto-salvage": "true" } } = options;
      const common = { namespace, image };
      const deployment = await create(
        ownerResource("Deployment"),
        workloadManifest({ ...common, name, annotations: deploymentAnnotations }),
      );
      const set = await create(
        ownerResource("ReplicaSet"),
        workloadManifest({ ...common, name: `${name}-5d`, owner: ownerOf("Deployment", deployment) }),
      );
      return await control.createPod({
        ...options,
        name: `${name}-5d-x1`,
        owner: ownerOf("ReplicaSet", set),
      });
    },
    async createPod(options) {
      return stripPod(await create(PODS, podManifest(options)));
    },
    async pod(namespace, name) {
      try {
        return stripPod(await api.get(PODS, { namespace, name }, { signal }));
      } catch (error) {
        if (isNotFound(error)) return undefined;
        throw error;
      }
    },
    records,
    async waitForRecord(namespace, what, fits, timeoutMs = 30_000) {
      try {
        return await waitFor(
          `a record of ${namespace} that ${what}`,
          async () => {
            const [record] = await records(namespace);
            return record !== undefined && fits(record) ? record : undefined;
          },
          { timeoutMs, intervalMs: 100 },
        );
      } catch (error) {
        const state = JSON.stringify(await records(namespace), undefined, 1);
        throw new Error(`records: ${state}\ncontroller: ${controller.logs()}`, { cause: error });
      }
    },
    async waitForRunning(namespace, name, timeoutMs = 30_000) {
      await waitFor(
        `pod ${namespace}/${name} to run`,
        async () => (await control.pod(namespace, name))?.phase === "Running",
        { timeoutMs, intervalMs: 50 },
      );
    },
  };
  return control;
}

function ownerResource(kind: string): KubeResource {
  const found = OWNERS.find((resource) => resource.kind === kind);
  if (found === undefined)
    throw new ApiError(`find ${kind}`, { status: 404, reason: "NotFound", message: "" });
  return found;
}

function ownerOf(kind: string, { metadata }: KubeObject): NonNullable<PodOptions["owner"]> {
  return { apiVersion: "apps/v1", kind, name: metadata.name, uid: metadata.uid ?? "" };
}
