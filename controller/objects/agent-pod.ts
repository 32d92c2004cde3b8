/** A pod of the agent DaemonSet as the controller keeps it. */
export interface StrippedAgentPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly nodeName: string;
  /** "" until it has one */
  readonly podIp: string;
  /** running, ready and not being deleted */
  readonly isReady: boolean;
}
