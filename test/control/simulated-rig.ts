import { readSalvageRecord } from "../../controller/objects/read-salvage-record.ts";
import type { SalvageRecord } from "../../controller/objects/salvage-record.ts";
import type { KubeConnection } from "../../controller/kube/kube-config.ts";
import type { TlsMaterial } from "../../lib/tls.ts";
import { asText, fieldAt } from "../harness/apiserver/json.ts";
import type { ApiServer, RequestRecord } from "../harness/apiserver/types.ts";
import { createCleanup, type Cleanup, type TestLike } from "../harness/cleanup.ts";
import { createMovingClock, type MovingClock } from "../harness/moving-clock.ts";
import { startFleet, type Fleet, type FleetOptions } from "../harness/simulated/fleet.ts";
import { simulatedImage, type SimulatedImage } from "../harness/simulated/image.ts";
import { startKubelets, type Kubelets } from "../harness/simulated/kubelet.ts";
import { waitFor } from "../harness/wait.ts";
import { SERVICE_ACCOUNT, startCluster } from "./cluster.ts";
import { startControllerInside, type ControllerInside } from "./controller-inside.ts";
import { namespaceManifest, podManifest, type Manifest, type PodOptions } from "./objects.ts";

/** Where images of simulated rigs claim to come from. */
export const REGISTRY = "registry.test:5000";
/** A pod with these annotations asks for help by itself. */
export const ASKS = { "tote.dev/auto-salvage": "true" };

/** Options of startSimulatedRig. */
export interface SimulatedRigOptions extends Partial<Omit<FleetOptions, "cleanup" | "nodes">> {
  /** default a, b and c */
  readonly nodes?: readonly string[];
  /** of the first controller; undefined starts none */
  readonly args?: readonly string[];
  /** start no controller yet, default false */
  readonly idle?: boolean;
  /** TLS on the API server, default false */
  readonly apiTls?: boolean;
}

/** A cluster of numbers: a real API server's rules, agents that move nothing, and a controller with its own clock. */
export interface SimulatedRig {
  readonly cleanup: Cleanup;
  readonly server: ApiServer;
  readonly fleet: Fleet;
  readonly kubelets: Kubelets;
  readonly clock: MovingClock;
  /** the controller that was started last */
  readonly controller: ControllerInside;
  /** Starts another controller; the one before must have ended. */
  startController(
    args?: readonly string[],
    options?: {
      /** default: a kubeconfig of its service account */
      readonly connection?: KubeConnection;
      /** flags about agents, default: all of the fleet by name */
      readonly agents?: readonly string[];
      /** of the role tote-controller; default: plaintext */
      readonly tls?: TlsMaterial;
    },
  ): Promise<ControllerInside>;
  /** Makes up an image that some nodes have, and returns it with its name. */
  image(title: string, ...nodes: readonly string[]): SimulatedImage & { readonly name: string };
  createNamespace(name: string, annotations?: Readonly<Record<string, string>>): void;
  /** Puts a pod that asks for help, unless told otherwise. */
  createPod(options: PodOptions, change?: (pod: Manifest) => Manifest): void;
  isRunning(namespace: string, name: string): boolean;
  waitForRunning(namespace: string, name: string): Promise<void>;
  /** Records of a namespace, oldest first. */
  records(namespace: string): readonly SalvageRecord[];
  /** Waits for the oldest record of a namespace to fit. */
  waitForRecord(
    namespace: string,
    what: string,
    fits: (record: SalvageRecord) => boolean,
  ): Promise<SalvageRecord>;
  /** Waits for the oldest record of a namespace to have ended. */
  waitForEnd(namespace: string): Promise<SalvageRecord["status"]>;
  /** Requests of the controller. */
  requests(match: Partial<RequestRecord>): readonly RequestRecord[];
}

/** A deadline that is only for what never comes, in milliseconds. */
const PATIENCE_MS = 20_000;
/** Pause between bookmarks in milliseconds: shorter than the real one, as time is put forward in leaps. */
const BOOKMARK_MS = 100;

/** Starts all of it; it ends with the test. */
export async function startSimulatedRig(
  test: TestLike,
  options: SimulatedRigOptions = {},
): Promise<SimulatedRig> {
  const { nodes = ["a", "b", "c"], args = [], idle = false, apiTls = false, ...rest } = options;
  const cleanup = createCleanup(test);
  const clock = createMovingClock();
  const { server, controllerKubeconfig } = await startCluster(cleanup, {
    tls: apiTls,
    bookmarkIntervalMs: BOOKMARK_MS,
  });
  const fleet = await startFleet({ ...rest, cleanup, nodes });
  const kubelets = startKubelets({ server, fleet, cleanup });
  server.put({ apiVersion: "v1", kind: "Namespace", metadata: { name: "tote" } });
  let controller: ControllerInside | undefined;

  const rig: SimulatedRig = {
    cleanup,
    server,
    fleet,
    kubelets,
    clock,
    get controller() {
      if (controller === undefined) throw new Error("no controller has been started");
      return controller;
    },
    async startController(given = [], settings = {}) {
      const { connection = controllerKubeconfig } = settings;
      const agents = settings.agents ?? [
        `--agents=${fleet.agents.map(({ node, url }) => `${node}=${url}`).join(",")}`,
      ];
      controller = await startControllerInside({
        cleanup,
        args: ["--leader-elect=false", "--cluster-name=test", ...agents, ...given],
        connection,
        clock,
        ...(settings.tls !== undefined && { tls: settings.tls }),
      });
      return controller;
    },
    image(title, ...holders) {
      const image = simulatedImage(title);
      const name = `${REGISTRY}/${title}:v1`;
      for (const node of holders) fleet.agent(node).put(image, name);
      return { ...image, name };
    },
    createNamespace(name, annotations) {
      const { metadata } = namespaceManifest(name, annotations);
      server.put({ apiVersion: "v1", kind: "Namespace", metadata: { ...metadata } });
    },
    createPod(given, change = (pod) => pod) {
      const { metadata, ...fields } = change(podManifest({ annotations: ASKS, ...given }));
      server.put({ ...fields, apiVersion: "v1", kind: "Pod", metadata: { ...metadata } });
    },
    isRunning(namespace, name) {
      return asText(fieldAt(server.get("pods", `${namespace}/${name}`), "status.phase")) === "Running";
    },
    async waitForRunning(namespace, name) {
      await patiently(`pod ${namespace}/${name} to run`, () => rig.isRunning(namespace, name));
    },
    records(namespace) {
      return server
        .list("salvagerecords", namespace)
        .map((object) => {
          const reading = readSalvageRecord(object);
          if (reading.kind === "invalid") throw new Error(`record ${reading.name}: ${reading.message}`);
          return reading.record;
        })
        .sort((a, b) => Number(a.metadata.resourceVersion) - Number(b.metadata.resourceVersion))
        .sort((a, b) => (a.metadata.creationTimestamp < b.metadata.creationTimestamp ? -1 : 1));
    },
    async waitForRecord(namespace, what, fits) {
      return await patiently(`a record of ${namespace} that ${what}`, () => {
        const [record] = rig.records(namespace);
        return record !== undefined && fits(record) ? record : undefined;
      });
    },
    async waitForEnd(namespace) {
      const record = await rig.waitForRecord(
        namespace,
        "has ended",
        ({ status }) => status.completedAt !== undefined,
      );
      return record.status;
    },
    requests(match) {
      const wanted = Object.entries({ user: SERVICE_ACCOUNT, ...match });
      return server.requests.filter((request) =>
        wanted.every(([field, value]) => Reflect.get(request, field) === value),
      );
    },
  };

  async function patiently<T>(what: string, check: () => T | undefined | false): Promise<T> {
    try {
      return await waitFor(what, check, { timeoutMs: PATIENCE_MS, intervalMs: 20 });
    } catch (error) {
      const state = JSON.stringify(server.list("salvagerecords"), undefined, 1);
      throw new Error(`records: ${state}\ncontroller: ${controller?.logs.join("") ?? "none"}`, {
        cause: error,
      });
    }
  }
  if (!idle) await rig.startController(args);
  return rig;
}
