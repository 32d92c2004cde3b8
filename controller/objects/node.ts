/** A node as the controller keeps it. */
export interface StrippedNode {
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  /** the condition Ready is True and the node is not being deleted */
  readonly isReady: boolean;
  readonly isDeleting: boolean;
  /** label `topology.kubernetes.io/zone`, or "" */
  readonly zone: string;
  /** e.g. "linux" */
  readonly os: string;
  /** e.g. "arm64"; the variant is not told */
  readonly architecture: string;
  /** e.g. "containerd://1.7.24" */
  readonly runtime: string;
  /** names of each image in `status.images`; at most 50 images and 5 names by the kubelet's defaults, 10 to 30 s late */
  readonly images: readonly (readonly string[])[];
}
