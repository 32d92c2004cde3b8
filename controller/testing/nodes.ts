import type { StrippedNode } from "../objects/node.ts";

/** A ready node for tests. */
export function node(name: string, options: Partial<StrippedNode> = {}): StrippedNode {
  return {
    name,
    uid: `uid-${name}`,
    resourceVersion: "1",
    isReady: true,
    isDeleting: false,
    zone: "",
    os: "linux",
    architecture: "amd64",
    runtime: "containerd://1.7.24",
    images: [],
    ...options,
  };
}

/** "sha256:" and 64 times one hex digit or two. */
export function digestOf(pattern: string): `sha256:${string}` {
  return `sha256:${pattern.repeat(64).slice(0, 64)}`;
}
