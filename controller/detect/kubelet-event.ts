/** Failures that no container status tells: only the kubelet's Events do. */

import { HANGING_PULL_AFTER_MS, IMAGE_MAX_CHARS, MESSAGE_HEAD_CHARS, MESSAGE_TAIL_CHARS } from "../limits.ts";
import { asObject, asText, asTime } from "../objects/json.ts";
import type { PodContainer, StrippedPod } from "../objects/pod.ts";
import { cutMiddle } from "../objects/text.ts";
import { classifyCause } from "./cause.ts";
import { hasImage, isAlive } from "./detect-failures.ts";
import { imageInMessage } from "./failing-image.ts";
import type { FailureCause } from "./failure.ts";

/** An Event about a pod, of either API (`v1` or `events.k8s.io/v1`). */
export interface KubeletEvent {
  /** e.g. "FailedCreatePodSandBox" */
  readonly reason: string;
  readonly message: string;
  readonly podUid: string;
  /** the container it is about; "" for the pod itself */
  readonly container: string;
  /** last seen, in milliseconds since 1970 */
  readonly time: number;
}

/** The image of a pod's sandbox (pause) cannot be pulled: none of its containers gets a status. */
export interface SandboxFailure {
  readonly podUid: string;
  readonly image: string;
  readonly cause: FailureCause;
  readonly message: string;
}

/** A pull that does not end: the registry took the connection and never answered, so that no error ever comes. */
export interface HangingPull {
  readonly container: string;
  readonly image: string;
  /** when it began, in milliseconds since 1970 */
  readonly since: number;
}

/** `failed to get sandbox image "x": failed to pull image "x": ...` (containerd, `sandbox_run.go`) */
const SANDBOX_IMAGE = /failed to get sandbox image "([^"\\]+)"/;
const FIELD_PATH = /^spec\.(?:initContainers|containers|ephemeralContainers)\{([^}]+)\}$/;

/** Reads an Event of either API. Never throws. */
export function readKubeletEvent(raw: unknown): KubeletEvent {
  const event = asObject(raw);
  const object = asObject(event["regarding"] ?? event["involvedObject"]);
  const series = asObject(event["series"]);
  const message = asText(event["note"]) || asText(event["message"]);
  return {
    reason: asText(event["reason"]),
    message: cutMiddle(message, MESSAGE_HEAD_CHARS, MESSAGE_TAIL_CHARS),
    podUid: asText(object["uid"]),
    container: FIELD_PATH.exec(asText(object["fieldPath"]))?.[1] ?? "",
    time: Math.max(
      ...[series["lastObservedTime"], event["lastTimestamp"], event["deprecatedLastTimestamp"]].map(asTime),
      asTime(event["eventTime"]),
    ),
  };
}

/** The sandbox failure that an Event tells of, if it does. */
export function detectSandboxFailure(event: KubeletEvent): SandboxFailure | undefined {
  if (event.reason !== "FailedCreatePodSandBox" && event.reason !== "FailedCreatePodSandbox")
    return undefined;
  const image = SANDBOX_IMAGE.exec(event.message)?.[1];
  if (image === undefined || image.length > IMAGE_MAX_CHARS) return undefined;
  return {
    podUid: event.podUid,
    image,
    cause: classifyCause(event.message) ?? "unknown",
    message: event.message,
  };
}

/**
 * The pull that an Event `Pulling` began and that has not ended since.
 * @param now milliseconds since 1970
 */
export function detectHangingPull(
  event: KubeletEvent,
  pod: StrippedPod,
  now: number,
): HangingPull | undefined {
  if (event.reason !== "Pulling" || event.podUid !== pod.uid || !isAlive(pod)) return undefined;
  if (now - event.time < HANGING_PULL_AFTER_MS) return undefined;
  const container = pod.containers.find((candidate) => candidate.name === event.container);
  const image = imageInMessage(event.message);
  if (container === undefined || image === undefined || !isWaitingQuietly(container)) return undefined;
  return { container: container.name, image, since: event.time };
}

/** Waiting without a word: neither started nor failed. */
function isWaitingQuietly(container: PodContainer): boolean {
  const reason = container.waiting?.reason ?? "";
  return !hasImage(container) && (reason === "" || reason === "ContainerCreating");
}
