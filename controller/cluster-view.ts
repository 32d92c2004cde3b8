import type { Clock } from "../lib/clock.ts";
import type { Readiness } from "../lib/health-server.ts";
import type { Logger } from "../lib/log.ts";
import type { KubeApi, Selection } from "./kube/kube-api.ts";
import { WATCH_STALE_MS } from "./kube/limits.ts";
import type { KubeMetrics } from "./kube/metrics.ts";
import type { Versioned } from "./kube/mirror.ts";
import type { KubeObject } from "./kube/objects.ts";
import { Reflector } from "./kube/reflector.ts";
import { NAMESPACES, NODES, PODS, SALVAGE_RECORDS, type KubeResource } from "./kube/resources.ts";
import type { Indexer, ReadStore } from "./kube/store.ts";
import type { StrippedAgentPod } from "./objects/agent-pod.ts";
import { comparableName } from "./objects/image-name.ts";
import type { StrippedNamespace } from "./objects/namespace.ts";
import type { StrippedNode } from "./objects/node.ts";
import type { StrippedPod } from "./objects/pod.ts";
import { readSalvageRecord } from "./objects/read-salvage-record.ts";
import type { SalvageRecord } from "./objects/salvage-record.ts";
import { createStringPool } from "./objects/string-pool.ts";
import { stripAgentPod, stripNamespace, stripNode } from "./objects/strip-cluster.ts";
import { stripPod } from "./objects/strip-pod.ts";
import { digestOfImageId } from "./resolve/image-id.ts";

/** Labels that agent pods are found by; names of the original's chart. */
export const AGENT_LABELS = "app.kubernetes.io/name=tote,app.kubernetes.io/component=agent";

/** A record as it is kept: one that cannot be read is kept without its content, so that it is said once. */
export interface KeptRecord extends Versioned {
  readonly record: SalvageRecord | undefined;
  /** why it cannot be read, or "" */
  readonly problem: string;
}

/** What records are found by, beside their key. */
export type RecordIndex = "subject" | "digest" | "node" | "image" | "help";
/** The records that the API server has, as the watch told. */
export type RecordStore = ReadStore<KeptRecord, RecordIndex>;

/** What pods are found by, beside their key. */
export type PodIndex = "namespace" | "node" | "image" | "digest";
/** What nodes are found by, beside their name. */
export type NodeIndex = "name" | "digest";

/** The objects that rules look at. */
export interface ClusterObjects {
  readonly pods: { readonly store: ReadStore<StrippedPod, PodIndex> };
  readonly nodes: { readonly store: ReadStore<StrippedNode, NodeIndex> };
}

/** What the controller sees of the cluster, kept up to date by watches. */
export interface ClusterView extends ClusterObjects {
  readonly pods: Reflector<StrippedPod, PodIndex>;
  readonly nodes: Reflector<StrippedNode, NodeIndex>;
  readonly namespaces: Reflector<StrippedNamespace>;
  /** undefined without --agent-namespace */
  readonly agents: Reflector<StrippedAgentPod, "node"> | undefined;
  readonly records: Reflector<KeptRecord, RecordIndex>;
  /** Not ready while a first list is outstanding or a watch is stale. */
  readiness(): Readiness;
  /** Resolves once every first list is complete. */
  synced(): Promise<void>;
  /** Lists and watches until `signal` fires. Never throws. */
  run(signal: AbortSignal): Promise<void>;
}

/** What a view is made of. */
export interface ClusterViewOptions {
  readonly api: KubeApi;
  /** "" when there are no agents to be found by pods */
  readonly agentNamespace: string;
  readonly clock: Clock;
  /** 0 to 1 */
  readonly random: () => number;
  readonly logger: Logger;
  readonly metrics: KubeMetrics;
}

/** The value of the index "subject": what pods and records that belong together have in common. */
export function subjectKey(namespace: string, image: string, node: string): string {
  return [namespace, comparableName(image), node].join("\n");
}

/** Builds the reflectors. Starts nothing. */
export function createClusterView(options: ClusterViewOptions): ClusterView {
  const pool = createStringPool();
  function reflect<T extends Versioned, I extends string = never>(
    label: string,
    resource: KubeResource,
    strip: (object: KubeObject) => T,
    indexers: Readonly<Record<I, Indexer<T>>>,
    selection: Selection = {},
  ): Reflector<T, I> {
    const { api, clock, random, logger, metrics } = options;
    const reflector = new Reflector<T, I>({
      api,
      resource,
      selection,
      strip,
      indexers,
      clock,
      random,
      logger: logger.child("watch", { watch: label }),
      observer: metrics.reflectorObserver(label),
    });
    metrics.showReflector(label, reflector);
    return reflector;
  }
  const pods = reflect("pods", PODS, (object) => stripPod(object, pool), POD_INDEXERS);
  const nodes = reflect("nodes", NODES, (object) => stripNode(object, pool), NODE_INDEXERS);
  const namespaces = reflect("namespaces", NAMESPACES, stripNamespace, {});
  const records = reflect("salvagerecords", SALVAGE_RECORDS, keepRecord, RECORD_INDEXERS);
  const agents =
    options.agentNamespace === ""
      ? undefined
      : reflect(
          "agents",
          PODS,
          stripAgentPod,
          { node: (pod: StrippedAgentPod) => [pod.nodeName] },
          { namespace: options.agentNamespace, labelSelector: AGENT_LABELS },
        );
  const all = [pods, nodes, namespaces, records, ...(agents === undefined ? [] : [agents])];
  const named = { pods, nodes, namespaces, salvagerecords: records, ...(agents !== undefined && { agents }) };
  return {
    pods,
    nodes,
    namespaces,
    agents,
    records,
    readiness() {
      for (const [name, reflector] of Object.entries(named)) {
        if (!reflector.isSynced)
          return { ready: false, reason: `${name} are not listed yet${why(reflector.problem)}` };
        if (reflector.ageMs > WATCH_STALE_MS) {
          const seconds = Math.round(reflector.ageMs / 1000);
          return {
            ready: false,
            reason: `the watch of ${name} has said nothing for ${seconds} s${why(reflector.problem)}`,
          };
        }
      }
      return { ready: true, reason: "" };
    },
    async synced() {
      await Promise.all(all.map((reflector) => reflector.synced));
    },
    async run(signal) {
      await Promise.all(all.map((reflector) => reflector.run(signal)));
    },
  };
}

/** What a record is about, see {@link subjectKey}. */
export function subjectOf({ metadata, spec, status }: SalvageRecord): string {
  const image = status.origin?.image ?? spec.imageRef ?? "";
  return subjectKey(metadata.namespace, image, status.origin?.targetNode ?? spec.targetNode ?? "");
}

/** How pods are found. */
export const POD_INDEXERS: Readonly<Record<PodIndex, Indexer<StrippedPod>>> = {
  namespace: ({ namespace }) => [namespace],
  node: ({ nodeName }) => (nodeName === "" ? [] : [nodeName]),
  image: ({ containers }) => unique(containers.map(({ image }) => comparableName(image))),
  digest: ({ containers }) => unique(containers.flatMap(({ imageId }) => digestOfImageId(imageId) ?? [])),
};

/** How nodes are found: by the names and by the digests of their images. */
export const NODE_INDEXERS: Readonly<Record<NodeIndex, Indexer<StrippedNode>>> = {
  name: ({ images }) => unique(images.flat()),
  digest: ({ images }) => unique(images.flat().flatMap((name) => digestOfImageId(name) ?? [])),
};

/** How records are found. */
export const RECORD_INDEXERS: Readonly<Record<RecordIndex, Indexer<KeptRecord>>> = {
  subject: ({ record }) => (record === undefined ? [] : [subjectOf(record)]),
  digest: ({ record }) => (record === undefined ? [] : present(digestOf(record))),
  node: ({ record }) => present(record?.status.plan?.targetNode ?? record?.spec.targetNode),
  image: ({ record }) => (record === undefined ? [] : present(imageKeyOf(record))),
  help: ({ record }) => (record !== undefined && isUnhelped(record) ? ["none"] : []),
};

/** Whether a record is refused or waits for a plan, with none of the two certain before it has been looked at. */
export function isUnhelped({ status: { phase, plan } }: SalvageRecord): boolean {
  return phase === "Refused" || (plan === undefined && (phase === undefined || phase === "Pending"));
}

/** The digest that a record has come to; undefined while only a tag is known. */
export function digestOf({ spec, status }: SalvageRecord): string | undefined {
  return status.digest ?? spec.digest;
}

/** The value of the index "image": what all records of one namespace and image have in common, however it is spelt, on whatever node. */
export function imageKey(namespace: string, image: string): string {
  return `${namespace}\n${comparableName(image)}`;
}

/** The same for a record; undefined until its first status was written. */
export function imageKeyOf({ metadata, status }: SalvageRecord): string | undefined {
  return status.origin === undefined ? undefined : imageKey(metadata.namespace, status.origin.image);
}

function keepRecord(object: KubeObject): KeptRecord {
  const resourceVersion = object.metadata.resourceVersion ?? "";
  const reading = readSalvageRecord(object);
  return reading.kind === "record"
    ? { resourceVersion, record: reading.record, problem: "" }
    : { resourceVersion, record: undefined, problem: reading.message };
}

function unique<T>(values: readonly T[]): readonly T[] {
  return values.length < 2 ? values : [...new Set(values)];
}

function present(value: string | undefined): readonly string[] {
  return value === undefined ? [] : [value];
}

function why(problem: string): string {
  return problem === "" ? "" : `: ${problem}`;
}
