import { Code, ConnectError } from "@connectrpc/connect";

import type { ImageRecord, Images } from "../containerd/types.ts";

/** Image records as containerd keeps them, in memory. */
export class MemoryImages implements Images {
  readonly records = new Map<string, ImageRecord>();
  /** called before each record is made; what it throws the call fails with */
  onCreate: (name: string) => void = () => undefined;

  async get(name: string): Promise<ImageRecord | undefined> {
    return this.records.get(name);
  }

  async list(): Promise<readonly ImageRecord[]> {
    return [...this.records.values()];
  }

  async create(record: ImageRecord): Promise<"created" | "exists"> {
    this.onCreate(record.name);
    if (this.records.has(record.name)) return "exists";
    this.records.set(record.name, record);
    return "created";
  }

  async update(record: ImageRecord, maskPaths: readonly string[]): Promise<ImageRecord> {
    const known = this.records.get(record.name);
    if (known === undefined) throw new ConnectError(`image "${record.name}": not found`, Code.NotFound);
    const isRepointed = maskPaths.length === 0 || maskPaths.includes("target");
    const updated = { ...record, target: isRepointed ? record.target : known.target };
    this.records.set(record.name, updated);
    return updated;
  }

  async delete(name: string): Promise<{ readonly deleted: boolean }> {
    return { deleted: this.records.delete(name) };
  }
}
