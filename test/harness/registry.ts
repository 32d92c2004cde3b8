import type { Cleanup } from "./cleanup.ts";
import type { ContainerdNode } from "./containerd-node.ts";
import type { Built } from "./image-builder.ts";

/** One request that the registry got. */
export interface RegistryRequest {
  readonly method: string;
  /** path and query */
  readonly url: string;
  /** status answered */
  readonly status: number;
  readonly range?: string;
}

/** What goes wrong with a manifest or blob. */
export type RegistryFault =
  /** send this many bytes of the body, then nothing, with the connection open */
  | { readonly kind: "hang"; readonly afterBytes: number }
  | { readonly kind: "status"; readonly status: number };

/** A small OCI distribution server, plain HTTP. */
export interface Registry {
  /** "http://host:port" */
  readonly url: string;
  readonly port: number;
  /** every request since the start, in order */
  readonly requests: readonly RegistryRequest[];
  /** Serves an image under "repository:tag" (without host) and under its digest. */
  add(name: string, image: Built): void;
  /** Forgets a "repository:tag"; digests stay. */
  remove(name: string): void;
  /** Makes every request for this digest or "repository:tag" fail until heal(). */
  fault(target: string, fault: RegistryFault): void;
  /** Asks for this user and password in Basic authentication from now on. */
  requireAuth(user: string, password: string): void;
  /** Removes all faults and requests that hang (their connections are closed). */
  heal(): void;
  /** Writes hosts.toml so that this node's CRI pulls from host (e.g. "registry.test:5000") come here. */
  attach(node: ContainerdNode, host: string): Promise<void>;
  /** Stops listening and closes every connection: from now on the registry is gone. */
  close(): Promise<void>;
}

/** Starts a registry; `host` is the address to listen on, default 127.0.0.1. */
export declare function startRegistry(options: {
  readonly cleanup: Cleanup;
  readonly host?: string;
}): Promise<Registry>;
