/** A pod as the controller keeps it: what detection, resolution and reports need, and nothing more. */

/** Which list of the pod a container stands in. */
export type ContainerKind = "init" | "main" | "ephemeral";

/** When the kubelet pulls. The API server fills it in; "" is a pod from a source without defaults. */
export type PullPolicy = "Always" | "IfNotPresent" | "Never" | "";

/** What a container does. "waiting" is also a container without status. */
export type ContainerState = "waiting" | "running" | "terminated";

/** One container: its place in the spec and its status. */
export interface PodContainer {
  readonly name: string;
  readonly kind: ContainerKind;
  /** the image as the spec has it; cut so that it is no legal name when it was too long */
  readonly image: string;
  readonly pullPolicy: PullPolicy;
  readonly state: ContainerState;
  /** `imageID` of the status, "" while there is none */
  readonly imageId: string;
  /**
   * `image` of the status, normalised, where that is another tag of the repository: another name of the same image, or the
   * image before an edit in place, while its container still ends
   */
  readonly otherTag?: string;
  /** why it waits; absent when it does not, or nobody said why */
  readonly waiting?: WaitingState;
}

/** `state.waiting` of a container. */
export interface WaitingState {
  /** e.g. "ErrImagePull" */
  readonly reason: string;
  /** the kubelet's words, possibly shortened in the middle; "" for reasons that do not concern images */
  readonly message: string;
}

/** A volume whose content is an image. */
export interface ImageVolume {
  readonly reference: string;
  readonly pullPolicy: PullPolicy;
}

/** The controller of an object, from its `ownerReferences`. */
export interface OwnerReference {
  /** e.g. "apps/v1" */
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
}

/** A pod, stripped. */
export interface StrippedPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  /** milliseconds since 1970 */
  readonly createdAt: number;
  readonly isDeleting: boolean;
  /** "" until it is scheduled */
  readonly nodeName: string;
  /** Pending, Running, Succeeded, Failed, Unknown or "" */
  readonly phase: string;
  /** annotations below `tote.dev/` */
  readonly annotations: Readonly<Record<string, string>>;
  /** what tells the revisions of one controller apart: its label `controller-revision-hash`, or "" */
  readonly revision: string;
  /** the controlling owner; absent for a bare pod */
  readonly owner?: OwnerReference;
  readonly containers: readonly PodContainer[];
  readonly imageVolumes: readonly ImageVolume[];
}
