/** From a pod as the API server sends it to what the controller keeps. */

import { FAILURE_REASONS } from "../detect/failure.ts";
import {
  CONTAINERS_MAX,
  IMAGE_MAX_CHARS,
  IMAGE_VOLUMES_MAX,
  MESSAGE_HEAD_CHARS,
  MESSAGE_TAIL_CHARS,
} from "../limits.ts";
import { otherTag } from "./image-name.ts";
import { asObject, asObjects, asText, asTime } from "./json.ts";
import { toteAnnotations } from "./metadata.ts";
import { controllerOf } from "./owner.ts";
import type {
  ContainerKind,
  ContainerState,
  ImageVolume,
  PodContainer,
  PullPolicy,
  StrippedPod,
  WaitingState,
} from "./pod.ts";
import { noPool, type StringPool } from "./string-pool.ts";
import { cutMiddle, cutText } from "./text.ts";

type Json = Readonly<Record<string, unknown>>;

/** Longest waiting reason that is kept, in characters; the kubelet's are words. */
const REASON_MAX_CHARS = 64;

/** One list for all the pods without image volumes. */
const NO_VOLUMES: readonly ImageVolume[] = Object.freeze([]);

const LISTS: readonly { readonly kind: ContainerKind; readonly spec: string; readonly status: string }[] = [
  { kind: "init", spec: "initContainers", status: "initContainerStatuses" },
  { kind: "main", spec: "containers", status: "containerStatuses" },
  { kind: "ephemeral", spec: "ephemeralContainers", status: "ephemeralContainerStatuses" },
];

/** Strips a pod. Never throws: a field of the wrong type counts as absent. */
export function stripPod(raw: unknown, pool: StringPool = noPool): StrippedPod {
  const pod = asObject(raw);
  const metadata = asObject(pod["metadata"]);
  const spec = asObject(pod["spec"]);
  const status = asObject(pod["status"]);
  const owner = controllerOf(metadata, pool);
  const labels = asObject(metadata["labels"]);
  return {
    namespace: pool.share(asText(metadata["namespace"])),
    name: asText(metadata["name"]),
    uid: asText(metadata["uid"]),
    resourceVersion: asText(metadata["resourceVersion"]),
    createdAt: asTime(metadata["creationTimestamp"]),
    isDeleting: asText(metadata["deletionTimestamp"]) !== "",
    nodeName: pool.share(asText(spec["nodeName"])),
    phase: pool.share(asText(status["phase"])),
    annotations: toteAnnotations(metadata),
    revision: pool.share(asText(labels["controller-revision-hash"])),
    ...(owner !== undefined && { owner }),
    containers: LISTS.flatMap(({ kind, spec: list, status: statuses }) =>
      stripContainers(kind, spec[list], status[statuses], pool),
    ),
    imageVolumes: stripVolumes(spec["volumes"], pool),
  };
}

function stripContainers(
  kind: ContainerKind,
  specs: unknown,
  statuses: unknown,
  pool: StringPool,
): readonly PodContainer[] {
  const byName = new Map(
    asObjects(statuses, CONTAINERS_MAX).map((status) => [asText(status["name"]), status] as const),
  );
  return asObjects(specs, CONTAINERS_MAX).map((spec) => {
    const name = asText(spec["name"]);
    const status = byName.get(name) ?? {};
    const { state, waiting } = stripState(asObject(status["state"]), pool);
    const image = cutText(asText(spec["image"]), IMAGE_MAX_CHARS);
    const imageId = cutText(asText(status["imageID"]), IMAGE_MAX_CHARS);
    const told =
      imageId === "" ? undefined : otherTag(image, cutText(asText(status["image"]), IMAGE_MAX_CHARS));
    return {
      name: pool.share(name),
      kind,
      image: pool.share(image),
      pullPolicy: pullPolicy(spec["imagePullPolicy"]),
      state,
      imageId: pool.share(imageId),
      ...(told !== undefined && { otherTag: pool.share(told) }),
      ...(waiting !== undefined && { waiting }),
    };
  });
}

function stripState(
  state: Json,
  pool: StringPool,
): { readonly state: ContainerState; readonly waiting?: WaitingState } {
  if (state["running"] !== undefined) return { state: "running" };
  if (state["terminated"] !== undefined) return { state: "terminated" };
  const waiting = asObject(state["waiting"]);
  const reason = pool.share(cutText(asText(waiting["reason"]), REASON_MAX_CHARS));
  if (reason === "") return { state: "waiting" };
  const isAboutImage = (FAILURE_REASONS as readonly string[]).includes(reason);
  const message = isAboutImage
    ? cutMiddle(asText(waiting["message"]), MESSAGE_HEAD_CHARS, MESSAGE_TAIL_CHARS)
    : "";
  return { state: "waiting", waiting: { reason, message } };
}

function stripVolumes(volumes: unknown, pool: StringPool): readonly ImageVolume[] {
  if (!Array.isArray(volumes)) return NO_VOLUMES;
  const images = volumes.map((volume) => asObject(asObject(volume)["image"]));
  const named = images.filter((image) => asText(image["reference"]) !== "");
  if (named.length === 0) return NO_VOLUMES;
  return named.slice(0, IMAGE_VOLUMES_MAX).map((image) => ({
    reference: pool.share(cutText(asText(image["reference"]), IMAGE_MAX_CHARS)),
    pullPolicy: pullPolicy(image["pullPolicy"]),
  }));
}

function pullPolicy(value: unknown): PullPolicy {
  return value === "Always" || value === "IfNotPresent" || value === "Never" ? value : "";
}
