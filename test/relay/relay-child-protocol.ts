/** What a test and its relay in another process say to each other. */

/** Where the relay ends itself. */
export const KILL_POINTS = [
  "before commit",
  "after commit",
  "after POST",
  "after Slack call",
  "mid-replay",
  "mid-retention",
] as const;
export type KillPoint = (typeof KILL_POINTS)[number];

/** End at the point when it is passed for the `left`th time. */
export interface Arm {
  readonly point: KillPoint;
  left: number;
}

/** What the child is started with. */
export interface ChildOptions {
  /** holds relay.yaml and the store */
  readonly directory: string;
  readonly token: string;
  readonly retentionMs: number;
  readonly arm?: Arm;
}

export type ParentMessage =
  { readonly kind: "arm"; readonly arm: Arm } | { readonly kind: "status" } | { readonly kind: "stop" };

export type ChildMessage =
  | { readonly kind: "ready"; readonly port: number }
  /** deliveries and replays that are not done */
  | { readonly kind: "status"; readonly open: number; readonly replays: number };
