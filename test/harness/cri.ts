import type { ContainerdNode } from "./containerd-node.ts";

/** What CRI says of an image. */
export interface CriImage {
  /** digest of the image configuration */
  readonly id: string;
  readonly repoTags: readonly string[];
  readonly repoDigests: readonly string[];
  /** bytes */
  readonly size: number;
  readonly pinned: boolean;
}

/** Credentials for a pull. */
export interface CriAuth {
  readonly username: string;
  readonly password: string;
  readonly serverAddress?: string;
}

/** Pulls as the kubelet does; returns the image id. Independent of the agent's code. */
export declare function pullImage(
  node: ContainerdNode,
  reference: string,
  options?: { readonly auth?: CriAuth; readonly signal?: AbortSignal; readonly timeoutMs?: number },
): Promise<string>;

/** CRI ImageStatus: what the kubelet asks before it pulls; undefined when absent. */
export declare function imageStatus(
  node: ContainerdNode,
  reference: string,
  signal?: AbortSignal,
): Promise<CriImage | undefined>;
