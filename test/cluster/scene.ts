import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";

import type { ApiClient } from "../../controller/kube/api-client.ts";
import { SALVAGE_RECORDS } from "../../controller/kube/resources.ts";
import { asObject, asObjects, asText } from "../../controller/objects/json.ts";
import { readSalvageRecord } from "../../controller/objects/read-salvage-record.ts";
import type { SalvageRecord } from "../../controller/objects/salvage-record.ts";
import type { Built } from "../harness/image-builder.ts";
import type { Cleanup } from "../harness/cleanup.ts";
import { kubeClient } from "../harness/kube-client.ts";
import { oldestFirst } from "../harness/oldest-first.ts";
import { waitFor } from "../harness/wait.ts";
import { apiAccess } from "./api-access.ts";
import { openCluster, type Cluster } from "./cluster.ts";
import type { PodImage } from "./images.ts";
import { keepPodLogs } from "./kept-logs.ts";
import { PodLedger } from "./pod-ledger.ts";
import { readPods, type PodView } from "./pods.ts";
import { startTote, type Tote, type ToteOptions } from "./tote.ts";
import type { Manifest } from "./workloads.ts";

/** Generous: the machine may be busy with other tests. */
const patienceMs = 120_000;
const pollMs = 300;

/** An Event, as much as tests look at. */
export interface EventView {
  readonly reason: string;
  readonly message: string;
  readonly about: string;
  /** who says so, e.g. "kubelet" */
  readonly source: string;
  /** when it happened first, in milliseconds since 1970; NaN when it does not say; the kubelet's are whole seconds */
  readonly firstTime: number;
}

/** The cluster and what tests do with it. */
export interface Stage {
  readonly cluster: Cluster;
  readonly api: ApiClient;
  /** Makes a namespace of a name that no other has, opted in unless told otherwise; it is deleted at the end. */
  namespace(title: string, annotations?: Readonly<Record<string, string>>): Promise<string>;
  /** A repository name that no other run has used. */
  title(name: string): string;
  push<T extends Built>(image: PodImage<T>): Promise<PodImage<T>>;
  apply(...manifests: readonly Manifest[]): Promise<void>;
  scale(namespace: string, what: string, replicas: number): Promise<void>;
  /** Pods of a namespace that are not being deleted. */
  pods(namespace: string): Promise<readonly PodView[]>;
  /** Waits for anything; the error says what the namespace's pods, their events and records were instead. */
  waitIn<T>(
    namespace: string,
    what: string,
    check: () => Promise<T | undefined | false>,
    timeoutMs?: number,
  ): Promise<T>;
  /** Waits for the pods of a namespace to fit. */
  waitForPods(
    namespace: string,
    what: string,
    fits: (pods: readonly PodView[]) => boolean,
    timeoutMs?: number,
  ): Promise<readonly PodView[]>;
  /** Waits until so many pods are Running and ready. */
  waitForRunning(namespace: string, count: number, timeoutMs?: number): Promise<readonly PodView[]>;
  /** Deletes a pod and waits for its end. */
  deletePod(namespace: string, name: string): Promise<void>;
  /** A test has a pod deleted in another way, or all of a namespace. */
  expectGone(namespace: string, name?: string): void;
  /**
   * Fails when a pod is gone that was there since the last call and that no test has deleted: nothing of tote may delete
   * a pod. For afterEach.
   */
  assertPodsKept(): Promise<void>;
  logs(namespace: string, pod: string, container?: string): Promise<string>;
  events(namespace: string): Promise<readonly EventView[]>;
  waitForEvent(namespace: string, what: string, fits: (event: EventView) => boolean): Promise<EventView>;
  /** Records of a namespace, oldest first. */
  records(namespace: string): Promise<readonly SalvageRecord[]>;
  waitForRecord(
    namespace: string,
    what: string,
    fits: (record: SalvageRecord) => boolean,
    timeoutMs?: number,
  ): Promise<SalvageRecord>;
}

/** The same with tote on it. */
export interface Scene extends Stage {
  readonly tote: Tote;
}

/** The cluster that is up, for the tests of one file; its registry stops with them. */
export async function borrowCluster(cleanup: Cleanup): Promise<Cluster> {
  const cluster = await openCluster();
  cleanup.add({ name: "stop the registry", undo: () => cluster.registry.stop() });
  return cluster;
}

/** Opens the cluster that is up and starts tote on it, for the tests of one file. */
export async function openScene(cleanup: Cleanup, options: ToteOptions = {}): Promise<Scene> {
  const cluster = await borrowCluster(cleanup);
  const tote = await startTote(cluster, cleanup, options);
  const stage = await openStage(cleanup, cluster, () => Promise.resolve(tote.controller.logs()));
  return { ...stage, tote };
}

/** What tests do with a cluster. `logs`: of the controller, for messages. */
export async function openStage(
  cleanup: Cleanup,
  cluster: Cluster,
  logs: () => Promise<string>,
): Promise<Stage> {
  const { kubectl, kubeconfig } = cluster;
  const { api } = await kubeClient({ server: { kubeconfigPath: () => kubeconfig }, cleanup });
  const nodeNames = cluster.nodes.map(({ name }) => name);
  const access = apiAccess(cleanup, kubeconfig, kubectl, (namespace) =>
    keepPodLogs(cluster.layout, nodeNames, namespace),
  );
  const signal = new AbortController().signal;
  const run = randomBytes(2).toString("hex");
  const ledger = new PodLedger();

  const read = async (path: string): Promise<unknown> => await api.getPath(path, { signal });
  const allPods = async (namespace: string): Promise<readonly PodView[]> =>
    readPods(await read(`/api/v1/namespaces/${namespace}/pods`));
  async function pods(namespace: string): Promise<readonly PodView[]> {
    const all = await allPods(namespace);
    ledger.see(namespace, all);
    return all.filter(({ isLeaving }) => !isLeaving);
  }
  async function events(namespace: string): Promise<readonly EventView[]> {
    const list = asObject(await read(`/api/v1/namespaces/${namespace}/events`));
    return asObjects(list["items"], 1000).map((event) => ({
      reason: asText(event["reason"]),
      message: asText(event["message"]),
      about: asText(asObject(event["involvedObject"])["name"]),
      source: asText(asObject(event["source"])["component"]) || asText(event["reportingComponent"]),
      firstTime: Date.parse(asText(event["firstTimestamp"])),
    }));
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
  async function describeNamespace(namespace: string): Promise<unknown> {
    try {
      return {
        pods: await pods(namespace),
        events: (await events(namespace)).map(
          ({ about, reason, message }) => `${about} ${reason}: ${message}`,
        ),
        records: (await records(namespace)).map(({ metadata, status }) => ({ name: metadata.name, status })),
      };
    } catch (error) {
      return `the API server does not answer: ${String(error)}`;
    }
  }
  async function inNamespace<T>(
    namespace: string,
    what: string,
    check: () => Promise<T | undefined | false>,
    timeoutMs = patienceMs,
  ): Promise<T> {
    try {
      return await waitFor(what, check, { timeoutMs, intervalMs: pollMs });
    } catch (error) {
      const seen = await describeNamespace(namespace);
      const log = (await logs()).split("\n").slice(-80).join("\n");
      throw new Error(`${what}: ${JSON.stringify(seen, undefined, 1)}\ncontroller:\n${log}`, {
        cause: error,
      });
    }
  }

  const stage: Stage = {
    cluster,
    api,
    title: (name) => `${name}-${run}`,
    namespace: (title, annotations) => access.namespace(title, annotations),
    async push(image) {
      await cluster.registry.push(image.name, image.image);
      return image;
    },
    apply: (...manifests) => kubectl.apply(...manifests),
    async scale(namespace, what, replicas) {
      await kubectl(["scale", "--namespace", namespace, what, `--replicas=${replicas}`]);
    },
    pods,
    waitIn: inNamespace,
    waitForPods: (namespace, what, fits, timeoutMs) =>
      inNamespace(
        namespace,
        `pods of ${namespace}: ${what}`,
        async () => {
          const found = await pods(namespace);
          return fits(found) ? found : undefined;
        },
        timeoutMs,
      ),
    waitForRunning: (namespace, count, timeoutMs) =>
      stage.waitForPods(
        namespace,
        `${count} are running`,
        (found) =>
          found.length === count && found.every(({ phase, isReady }) => phase === "Running" && isReady),
        timeoutMs,
      ),
    async deletePod(namespace, name) {
      ledger.expectGone(namespace, name);
      await kubectl(["delete", "pod", name, "--namespace", namespace]);
    },
    expectGone: (namespace, name) => ledger.expectGone(namespace, name),
    async assertPodsKept() {
      const missing: string[] = [];
      for (const namespace of ledger.namespaces) {
        missing.push(...ledger.missing(namespace, await allPods(namespace)));
      }
      ledger.clear();
      assert.deepEqual(missing, [], "pods that were deleted");
    },
    async logs(namespace, pod, container) {
      const which = container === undefined ? [] : ["--container", container];
      // the kubelet says that it runs a little before its log can be read
      return await inNamespace(namespace, `the log of ${namespace}/${pod}`, async () => {
        const { stdout } = await kubectl(["logs", "--namespace", namespace, pod, ...which]);
        return stdout === "" ? undefined : stdout;
      });
    },
    waitForEvent: (namespace, what, fits) =>
      inNamespace(namespace, `an Event in ${namespace}: ${what}`, async () =>
        (await events(namespace)).find(fits),
      ),
    events,
    records,
    waitForRecord: (namespace, what, fits, timeoutMs) =>
      inNamespace(
        namespace,
        `a record of ${namespace} that ${what}`,
        async () => (await records(namespace)).find((record) => fits(record)),
        timeoutMs,
      ),
  };
  return stage;
}
