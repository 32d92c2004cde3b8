import { Code, ConnectError } from "@connectrpc/connect";

import type { LeaseInfo, LeaseResource, Leases } from "../containerd/types.ts";

/** A lease in memory. */
export interface MemoryLease {
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAt: Date;
  readonly resources: LeaseResource[];
}

/** Leases as containerd keeps them, in memory. */
export class MemoryLeases implements Leases {
  readonly held = new Map<string, MemoryLease>();
  /** what every call fails with */
  failure: Error | undefined;
  readonly #now: () => number;

  /** @param now milliseconds since 1970, for createdAt */
  constructor(now: () => number = () => 0) {
    this.#now = now;
  }

  async create({ id, labels = {} }: Parameters<Leases["create"]>[0]): Promise<{ readonly created: boolean }> {
    this.#check();
    if (this.held.has(id)) return { created: false };
    this.held.set(id, { labels, createdAt: new Date(this.#now()), resources: [] });
    return { created: true };
  }

  async delete(id: string): Promise<void> {
    this.#check();
    this.held.delete(id);
  }

  async addResource(id: string, resource: LeaseResource): Promise<void> {
    this.#get(id).resources.push(resource);
  }

  async list(): Promise<readonly LeaseInfo[]> {
    this.#check();
    return [...this.held].map(([id, { labels, createdAt }]) => ({ id, labels, createdAt }));
  }

  async resources(id: string): Promise<readonly LeaseResource[]> {
    return [...this.#get(id).resources];
  }

  #get(id: string): MemoryLease {
    this.#check();
    const lease = this.held.get(id);
    if (lease === undefined) throw new ConnectError(`lease "${id}": not found`, Code.NotFound);
    return lease;
  }

  #check(): void {
    if (this.failure !== undefined) throw this.failure;
  }
}
