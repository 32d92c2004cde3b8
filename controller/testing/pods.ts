/** Pods as an API server would send them, for tests. */

import { stripPod } from "../objects/strip-pod.ts";
import type { StrippedPod } from "../objects/pod.ts";

/** One container of a pod for tests. */
export interface ContainerOptions {
  readonly name?: string;
  readonly kind?: "init" | "main" | "ephemeral";
  readonly image?: string;
  readonly pullPolicy?: string;
  /** why it waits */
  readonly waiting?: { readonly reason: string; readonly message?: string };
  readonly isRunning?: boolean;
  readonly isTerminated?: boolean;
  readonly imageId?: string;
  /** the image as the status has it; else the spec's */
  readonly statusImage?: string;
}

/** A pod for tests. */
export interface PodOptions {
  readonly namespace?: string;
  readonly name?: string;
  readonly uid?: string;
  readonly node?: string;
  readonly phase?: string;
  readonly isDeleting?: boolean;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly owner?: { readonly kind: string; readonly name: string; readonly uid: string };
  readonly containers?: readonly ContainerOptions[];
  readonly volumes?: readonly unknown[];
}

const LISTS = {
  init: ["initContainers", "initContainerStatuses"],
  main: ["containers", "containerStatuses"],
  ephemeral: ["ephemeralContainers", "ephemeralContainerStatuses"],
} as const;

/** A pod as JSON of the API server, with managed fields and the rest that is to be stripped. */
export function rawPod(options: PodOptions = {}): Record<string, unknown> {
  const { name = "web-1", namespace = "shop", uid = `uid-${name}`, owner } = options;
  const spec: Record<string, unknown> = { nodeName: options.node ?? "node-b", volumes: options.volumes };
  const status: Record<string, unknown> = { phase: options.phase ?? "Pending", podIP: "10.0.0.1" };
  for (const [kind, [specs, statuses]] of Object.entries(LISTS)) {
    const containers = (options.containers ?? [{}]).filter((one) => (one.kind ?? "main") === kind);
    spec[specs] = containers.map((one) => ({
      name: one.name ?? "app",
      image: one.image ?? "registry.test:5000/app:v1",
      imagePullPolicy: one.pullPolicy ?? "IfNotPresent",
      env: [{ name: "PASSWORD", value: "secret" }],
    }));
    status[statuses] = containers.map((one) => ({
      name: one.name ?? "app",
      image: one.statusImage ?? one.image ?? "registry.test:5000/app:v1",
      imageID: one.imageId ?? "",
      state: stateOf(one),
    }));
  }
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace,
      uid,
      resourceVersion: "7",
      creationTimestamp: "2026-08-01T10:00:00Z",
      ...(options.isDeleting === true && { deletionTimestamp: "2026-08-01T11:00:00Z" }),
      annotations: options.annotations,
      labels: options.labels,
      ownerReferences: owner === undefined ? [] : [{ apiVersion: "apps/v1", controller: true, ...owner }],
      managedFields: [{ manager: "kubelet", fieldsV1: { "f:status": {} } }],
    },
    spec,
    status,
  };
}

/** The same, stripped. */
export function pod(options: PodOptions = {}): StrippedPod {
  return stripPod(rawPod(options));
}

function stateOf(options: ContainerOptions): Record<string, unknown> {
  if (options.isRunning === true) return { running: { startedAt: "2026-08-01T10:00:00Z" } };
  if (options.isTerminated === true) return { terminated: { exitCode: 0 } };
  return { waiting: options.waiting ?? { reason: "ContainerCreating" } };
}
