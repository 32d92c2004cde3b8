import type { ContainerKind, PullPolicy } from "../objects/pod.ts";

/** Waiting reasons of the kubelet that say that an image is the trouble (`pkg/kubelet/images/types.go`, `cri-api`). */
export const FAILURE_REASONS = [
  "ErrImagePull",
  "ImagePullBackOff",
  "ErrImageNeverPull",
  "RegistryUnavailable",
  "CreateContainerError",
  "InvalidImageName",
  "ImageInspectError",
  "SignatureValidationFailed",
] as const;

/** What no container status tells, only the kubelet's Events: see `silent-failures.ts`. */
export const SILENT_REASONS = [
  /** a pull that does not end, and brings no error; the word is ours */
  "HangingPull",
  /** the image of the pod's sandbox cannot be pulled; the kubelet's word */
  "FailedCreatePodSandBox",
] as const;

/** One of {@link FAILURE_REASONS}. */
export type WaitingReason = (typeof FAILURE_REASONS)[number];
/** One of {@link FAILURE_REASONS} or {@link SILENT_REASONS}. */
export type FailureReason = WaitingReason | (typeof SILENT_REASONS)[number];

/** Why a pull failed, as far as the message tells. Values as events and records carry them. */
export const FAILURE_CAUSES = [
  "not_found",
  "unauthorized",
  "unreachable",
  "timeout",
  "tls",
  "rate_limited",
  "unknown",
] as const;

/** One of {@link FAILURE_CAUSES}. */
export type FailureCause = (typeof FAILURE_CAUSES)[number];

/** What is wrong: the image is absent, its content is, or the kubelet will not have it. */
export type FailureProblem = "missing" | "corrupt" | "unusable";

/** One container that cannot start because of an image. */
export interface ImageFailure {
  /** "" when it is the pod's sandbox */
  readonly container: string;
  readonly containerKind: ContainerKind;
  /** the image that fails as the pod writes it: the container's own, or that of a volume it mounts */
  readonly image: string;
  /** the image of a volume failed, not the container's */
  readonly isVolume: boolean;
  readonly pullPolicy: PullPolicy;
  readonly reason: FailureReason;
  readonly problem: FailureProblem;
  /** undefined when the message does not say, as the back-off message of kubelets before 1.32 */
  readonly cause: FailureCause | undefined;
  /** the kubelet's words */
  readonly message: string;
}
