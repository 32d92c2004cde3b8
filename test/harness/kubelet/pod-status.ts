import { asJson, asList, asText, type Json } from "../apiserver/json.ts";
import type { CriImage } from "../cri.ts";

// Source: kubernetes pkg/kubelet/kubelet_pods.go

/** A container of a pod, as its spec has it. */
export interface ContainerSpec {
  readonly name: string;
  readonly image: string;
  readonly pullPolicy: string;
}

/** A pod, as far as a kubelet without containers needs it. */
export interface PodSpec {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly isDeleting: boolean;
  readonly init: readonly ContainerSpec[];
  readonly main: readonly ContainerSpec[];
  readonly ephemeral: readonly ContainerSpec[];
  /** changes when the kubelet has to look again: everything but the status */
  readonly mark: string;
}

/** What has become of a container. */
export type ContainerState =
  | { readonly kind: "waiting"; readonly reason: string; readonly message: string }
  | { readonly kind: "running"; readonly since: string; readonly image: CriImage }
  /** an init container that is through */
  | { readonly kind: "completed"; readonly since: string; readonly image: CriImage };

/** States by name of the container. */
export type ContainerStates = ReadonlyMap<string, ContainerState>;

/** Reads a pod. */
export function readPod(pod: unknown): PodSpec {
  const { metadata, spec } = asJson(pod);
  const { uid, name, namespace, deletionTimestamp, annotations, labels } = asJson(metadata);
  const { initContainers, containers, ephemeralContainers } = asJson(spec);
  return {
    uid: asText(uid),
    name: asText(name),
    namespace: asText(namespace),
    isDeleting: deletionTimestamp !== undefined,
    init: containerSpecs(initContainers),
    main: containerSpecs(containers),
    ephemeral: containerSpecs(ephemeralContainers),
    mark: JSON.stringify([spec, annotations, labels, deletionTimestamp]),
  };
}

/** The status that the kubelet writes. Times are whole seconds. */
export function podStatus(pod: PodSpec, states: ContainerStates, startTime: string): Json {
  const isInitialized = pod.init.every(({ name }) => states.get(name)?.kind === "completed");
  const isRunning = isInitialized && pod.main.every(({ name }) => states.get(name)?.kind === "running");
  const conditions = [
    ["Initialized", isInitialized],
    ["Ready", isRunning],
    ["ContainersReady", isRunning],
    ["PodScheduled", true],
  ] as const;
  const before = isInitialized ? "ContainerCreating" : "PodInitializing";
  return {
    phase:
      isInitialized && pod.main.some(({ name }) => states.get(name)?.kind === "running")
        ? "Running"
        : "Pending",
    startTime,
    conditions: conditions.map(([type, is]) => ({ type, status: is ? "True" : "False" })),
    ...(pod.init.length > 0 && {
      initContainerStatuses: pod.init.map((spec) => containerStatus(spec, states, "PodInitializing")),
    }),
    containerStatuses: pod.main.map((spec) => containerStatus(spec, states, before)),
    ...(pod.ephemeral.length > 0 && {
      ephemeralContainerStatuses: pod.ephemeral.map((spec) => containerStatus(spec, states, before)),
    }),
  };
}

function containerStatus(spec: ContainerSpec, states: ContainerStates, before: string): Json {
  const state = states.get(spec.name) ?? { kind: "waiting", reason: before, message: "" };
  const common = { name: spec.name, restartCount: 0, lastState: {} };
  if (state.kind === "waiting") {
    const { reason, message } = state;
    return {
      ...common,
      image: spec.image,
      imageID: "",
      ready: false,
      started: false,
      state: { waiting: { reason, ...(message !== "" && { message }) } },
    };
  }
  const { image, since } = state;
  return {
    ...common,
    // of several names of an image CRI tells the first
    image: image.repoTags[0] ?? spec.image,
    imageID: image.repoDigests[0] ?? image.id,
    ready: true,
    started: state.kind === "running",
    state:
      state.kind === "running"
        ? { running: { startedAt: since } }
        : { terminated: { exitCode: 0, reason: "Completed", startedAt: since, finishedAt: since } },
  };
}

function containerSpecs(list: unknown): readonly ContainerSpec[] {
  return asList(list).map((container) => {
    const { name, image, imagePullPolicy } = asJson(container);
    return {
      name: asText(name),
      image: asText(image),
      pullPolicy: asText(imagePullPolicy) || "IfNotPresent",
    };
  });
}
