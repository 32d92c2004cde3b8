/** Manifests of what the tests run, as people write them. */

/** Annotation by which a workload asks for tote. */
export const ASKS = { "tote.dev/auto-salvage": "true" } as const;

/** A manifest. */
export type Manifest = Readonly<Record<string, unknown>>;

/** A container of a pod. */
export interface ContainerSpec {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly imagePullPolicy?: "Always" | "IfNotPresent" | "Never";
}

/** What a workload is made of. */
export interface WorkloadOptions {
  readonly name: string;
  readonly namespace: string;
  readonly containers: readonly ContainerSpec[];
  readonly initContainers?: readonly ContainerSpec[];
  /** only there */
  readonly node?: string;
  /** default: it asks for tote */
  readonly annotations?: Readonly<Record<string, string>>;
  readonly replicas?: number;
}

/** One container with an image. */
export function container(image: string, more: Partial<ContainerSpec> = {}): ContainerSpec {
  return { name: "app", image, ...more };
}

/** A pod that nobody owns. */
export function barePod(options: WorkloadOptions): Manifest {
  return { apiVersion: "v1", kind: "Pod", metadata: metadata(options), spec: podSpec(options) };
}

/** A Deployment whose pods spread over the nodes. */
export function deployment(options: WorkloadOptions): Manifest {
  return workload("Deployment", options, { replicas: options.replicas ?? 1 });
}

/** A StatefulSet whose pods spread over the nodes and start all at once. */
export function statefulSet(options: WorkloadOptions): Manifest {
  const { replicas = 1, name } = options;
  return workload("StatefulSet", options, { replicas, serviceName: name, podManagementPolicy: "Parallel" });
}

/** A DaemonSet. */
export function daemonSet(options: WorkloadOptions): Manifest {
  return workload("DaemonSet", options, {});
}

/** A Job of one pod that must succeed. */
export function job(options: WorkloadOptions): Manifest {
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: metadata(options),
    spec: { backoffLimit: 0, template: { spec: { ...podSpec(options), restartPolicy: "Never" } } },
  };
}

/** A SalvageRecord by hand. */
export function order(namespace: string, spec: Manifest, name = "by-hand"): Manifest {
  return { apiVersion: "tote.dev/v1alpha1", kind: "SalvageRecord", metadata: { name, namespace }, spec };
}

function workload(kind: string, options: WorkloadOptions, more: Manifest): Manifest {
  const labels = { app: options.name };
  const template = { metadata: { labels }, spec: podSpec(options) };
  const spec = { selector: { matchLabels: labels }, template, ...more };
  return { apiVersion: "apps/v1", kind, metadata: metadata(options), spec };
}

function metadata({ name, namespace, annotations = ASKS }: WorkloadOptions): Manifest {
  return { name, namespace, annotations };
}

function podSpec({ name, node, containers, initContainers }: WorkloadOptions): Manifest {
  return {
    terminationGracePeriodSeconds: 1,
    containers,
    ...(initContainers !== undefined && { initContainers }),
    ...(node !== undefined && { nodeSelector: { "kubernetes.io/hostname": node } }),
    affinity: {
      podAntiAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          { topologyKey: "kubernetes.io/hostname", labelSelector: { matchLabels: { app: name } } },
        ],
      },
    },
  };
}
