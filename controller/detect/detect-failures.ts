import { FAILURES_PER_POD_MAX } from "../limits.ts";
import type { PodContainer, StrippedPod } from "../objects/pod.ts";
import { classifyCause } from "./cause.ts";
import { failingVolume } from "./failing-image.ts";
import { FAILURE_REASONS, type FailureProblem, type ImageFailure, type WaitingReason } from "./failure.ts";

/**
 * containerd has the image's record but not what it points at, so the kubelet sees the image and cannot use it: texts of
 * `metadata/content.go`, `content/local` and CRI's CreateContainer.
 */
const MISSING_CONTENT =
  /content digest sha256:[0-9a-f]{64}: not found|\bblob not found: not found|failed to get image from containerd ".*: not found/;

/** Reasons of a container whose image has not been needed yet. */
const NOT_YET: ReadonlySet<string> = new Set(["", "ContainerCreating", "PodInitializing"]);

/**
 * The containers of a pod that cannot start because of an image: init, main and ephemeral ones. Pods that are deleted,
 * finished or not scheduled have none. Pure.
 */
export function detectFailures(pod: StrippedPod): readonly ImageFailure[] {
  if (!isAlive(pod) || pod.nodeName === "") return [];
  return pod.containers
    .map((container) => failureOf(container, pod))
    .filter((failure) => failure !== undefined)
    .slice(0, FAILURES_PER_POD_MAX);
}

/** Whether a pod may still start containers. */
export function isAlive(pod: StrippedPod): boolean {
  return !pod.isDeleting && pod.phase !== "Succeeded" && pod.phase !== "Failed";
}

/** Whether a container has got past its image: it runs, has run, or now waits for something else. */
export function hasImage(container: PodContainer): boolean {
  if (container.state !== "waiting") return true;
  const reason = container.waiting?.reason ?? "";
  return !NOT_YET.has(reason) && problemOf(container) === undefined;
}

function failureOf(container: PodContainer, pod: StrippedPod): ImageFailure | undefined {
  const problem = problemOf(container);
  const { waiting } = container;
  if (problem === undefined || waiting === undefined || !isFailureReason(waiting.reason)) return undefined;
  const volume = failingVolume(container, pod.imageVolumes);
  return {
    container: container.name,
    containerKind: container.kind,
    image: volume?.reference ?? container.image,
    isVolume: volume !== undefined,
    pullPolicy: volume?.pullPolicy ?? container.pullPolicy,
    reason: waiting.reason,
    problem,
    cause: causeOf(waiting.reason, waiting.message),
    message: waiting.message,
  };
}

function problemOf({ waiting }: PodContainer): FailureProblem | undefined {
  if (waiting === undefined || !isFailureReason(waiting.reason)) return undefined;
  switch (waiting.reason) {
    case "ErrImagePull":
    case "ImagePullBackOff":
    case "ErrImageNeverPull":
    case "RegistryUnavailable":
      return "missing";
    case "CreateContainerError":
      return MISSING_CONTENT.test(waiting.message) ? "corrupt" : undefined;
    case "InvalidImageName":
    case "ImageInspectError":
    case "SignatureValidationFailed":
      return "unusable";
  }
}

/** Only a pull has a cause; a registry that is unavailable (CRI-O's word) has one even if the message has none. */
function causeOf(reason: WaitingReason, message: string): ImageFailure["cause"] {
  switch (reason) {
    case "ErrImagePull":
    case "ImagePullBackOff":
      return classifyCause(message);
    case "RegistryUnavailable":
      return classifyCause(message) ?? "unreachable";
    default:
      return "unknown";
  }
}

function isFailureReason(reason: string): reason is WaitingReason {
  return (FAILURE_REASONS as readonly string[]).includes(reason);
}
