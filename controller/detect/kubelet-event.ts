/** What the kubelet says in Events about pulls and sandboxes. */

import { IMAGE_MAX_CHARS, MESSAGE_HEAD_CHARS, MESSAGE_TAIL_CHARS } from "../limits.ts";
import { asObject, asText, asTime } from "../objects/json.ts";
import { cutMiddle } from "../objects/text.ts";
import { classifyCause } from "./cause.ts";
import { imageInMessage } from "./failing-image.ts";
import type { FailureCause } from "./failure.ts";

/** Reasons of the Events that are looked at (`pkg/kubelet/events/event.go`). */
export const KUBELET_EVENT_REASONS = ["Pulling", "Pulled", "Failed", "FailedCreatePodSandBox"] as const;

/** An Event about a pod, of either API (`v1` or `events.k8s.io/v1`). */
export interface KubeletEvent {
  readonly resourceVersion: string;
  /** e.g. "FailedCreatePodSandBox" */
  readonly reason: string;
  readonly message: string;
  /** "namespace/name" */
  readonly podKey: string;
  readonly podUid: string;
  /** the container it is about; "" for the pod itself */
  readonly container: string;
  /** last seen, in milliseconds since 1970 */
  readonly time: number;
  /** of a pull that has failed: which image, and why as far as the message tells */
  readonly failed?: { readonly image: string; readonly cause: FailureCause };
}

/** The image of a pod's sandbox (pause) cannot be pulled: none of its containers gets a status. */
export interface SandboxFailure {
  readonly image: string;
  readonly cause: FailureCause;
  readonly message: string;
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
    resourceVersion: asText(asObject(event["metadata"])["resourceVersion"]),
    reason: asText(event["reason"]),
    message: cutMiddle(message, MESSAGE_HEAD_CHARS, MESSAGE_TAIL_CHARS),
    podKey: `${asText(object["namespace"])}/${asText(object["name"])}`,
    podUid: asText(object["uid"]),
    container: FIELD_PATH.exec(asText(object["fieldPath"]))?.[1] ?? "",
    time: Math.max(
      ...[series["lastObservedTime"], event["lastTimestamp"], event["deprecatedLastTimestamp"]].map(asTime),
      asTime(event["eventTime"]),
    ),
  };
}

/**
 * An Event as it is kept; undefined for the many that tell nothing about a pull or a sandbox image: an image that was
 * there already, a container that could not be made for another reason. Never throws.
 */
export function stripKubeletEvent(raw: unknown): KubeletEvent | undefined {
  const event = readKubeletEvent(raw);
  switch (event.reason) {
    case "Pulling":
      return pulledImage(event) === undefined ? undefined : event;
    case "Pulled":
      return event.message.includes("Successfully pulled image ") ? { ...event, message: "" } : undefined;
    case "Failed":
      return event.message.includes("Failed to pull image ") ? failedPull(event) : undefined;
    default:
      return sandboxFailure(event) === undefined ? undefined : event;
  }
}

function failedPull(event: KubeletEvent): KubeletEvent {
  const image = imageInMessage(event.message);
  const isLegal = image !== undefined && image.length <= IMAGE_MAX_CHARS;
  const cause = classifyCause(event.message) ?? "unknown";
  return { ...event, message: "", ...(isLegal && { failed: { image, cause } }) };
}

/** The image that an Event `Pulling` names; undefined for any other. */
export function pulledImage({ reason, message }: KubeletEvent): string | undefined {
  const image = reason === "Pulling" ? imageInMessage(message) : undefined;
  return image === undefined || image.length > IMAGE_MAX_CHARS ? undefined : image;
}

/** The sandbox failure that an Event tells of, if it does. */
export function sandboxFailure(event: KubeletEvent): SandboxFailure | undefined {
  if (event.reason !== "FailedCreatePodSandBox") return undefined;
  const image = SANDBOX_IMAGE.exec(event.message)?.[1];
  if (image === undefined || image.length > IMAGE_MAX_CHARS) return undefined;
  return { image, cause: classifyCause(event.message) ?? "unknown", message: event.message };
}
