import type { Cleanup } from "./cleanup.ts";

/** A network namespace with one address. */
export interface NetworkNode {
  readonly name: string;
  /** name below /run/netns */
  readonly netns: string;
  /** IPv4 address */
  readonly ip: string;
  /** put before a command line to run it in the namespace */
  readonly prefix: readonly string[];
  /** Takes the cable out (packets vanish, nobody is told) until connect(). */
  disconnect(): Promise<void>;
  /** Puts the cable back. */
  connect(): Promise<void>;
}

/** Namespaces joined by a switch; the host is on the same /24. */
export interface Network {
  /** the host's address on it */
  readonly hostIp: string;
  /** Adds a namespace. */
  addNode(name: string): Promise<NetworkNode>;
  /** Delays what each node sends by ms milliseconds (0 removes it); false when the kernel has no netem. */
  delay(ms: number): Promise<boolean>;
  /** Removes all namespaces and links. */
  close(): Promise<void>;
}

/** Makes a network; leftovers of runs whose process is gone are removed first. Needs root. */
export declare function createNetwork(options: {
  readonly cleanup: Cleanup;
  readonly signal?: AbortSignal;
}): Promise<Network>;
