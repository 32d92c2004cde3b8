import { createHash } from "node:crypto";

import { Code, ConnectError } from "@connectrpc/connect";

import type {
  BlobInfo,
  CommitOptions,
  ContentStore,
  ContentWriter,
  IngestStatus,
  OpenWriterOptions,
  OpenWriterResult,
} from "../containerd/types.ts";

/** "sha256:<hex>" of bytes. */
export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** A content store as containerd's, in memory: ingests resume at what they hold, and commit checks size and digest. */
export class MemoryContent implements ContentStore {
  readonly blobs = new Map<string, Uint8Array>();
  /** bytes by ref */
  readonly ingests = new Map<string, Uint8Array>();
  /** refs that a writer has open */
  readonly locked = new Set<string>();
  /** called before each write and each opening of a writer; what it throws the call fails with */
  onCall: (call: "open" | "write" | "commit" | "read") => void = () => undefined;

  async info(digest: string): Promise<BlobInfo | undefined> {
    const bytes = this.blobs.get(digest);
    return bytes && { digest, size: bytes.length, labels: {}, createdAt: undefined, updatedAt: undefined };
  }

  async *list(): AsyncIterable<BlobInfo> {
    for (const digest of this.blobs.keys()) {
      const info = await this.info(digest);
      if (info !== undefined) yield info;
    }
  }

  async *read(digest: string, options: Parameters<ContentStore["read"]>[1] = {}): AsyncGenerator<Uint8Array> {
    this.onCall("read");
    const bytes = this.blobs.get(digest);
    if (bytes === undefined) throw new ConnectError(`${digest}: not found`, Code.NotFound);
    if ((options.offset ?? 0) < bytes.length) yield bytes.subarray(options.offset);
  }

  async readAll(digest: string): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.read(digest)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  async setLabels(): Promise<void> {}

  async delete(digest: string): Promise<void> {
    this.blobs.delete(digest);
  }

  async listIngests(): Promise<readonly IngestStatus[]> {
    const all = await Promise.all([...this.ingests.keys()].map((ref) => this.ingest(ref)));
    return all.filter((status) => status !== undefined);
  }

  async ingest(ref: string): Promise<IngestStatus | undefined> {
    const bytes = this.ingests.get(ref);
    if (bytes === undefined) return undefined;
    return { ref, offset: bytes.length, total: 0, expected: "", startedAt: undefined, updatedAt: undefined };
  }

  async abort(ref: string): Promise<void> {
    this.ingests.delete(ref);
  }

  async openWriter({ ref, digest }: OpenWriterOptions): Promise<OpenWriterResult> {
    this.onCall("open");
    if (this.blobs.has(digest)) return { kind: "exists" };
    if (this.locked.has(ref)) {
      throw new ConnectError(`ref ${ref} locked for 1s (since then): unavailable`, Code.Unavailable);
    }
    this.locked.add(ref);
    return { kind: "open", writer: new MemoryWriter(this, ref) };
  }
}

class MemoryWriter implements ContentWriter {
  readonly #store: MemoryContent;
  readonly #ref: string;
  #bytes: Uint8Array;

  constructor(store: MemoryContent, ref: string) {
    this.#store = store;
    this.#ref = ref;
    this.#bytes = store.ingests.get(ref) ?? new Uint8Array();
    store.ingests.set(ref, this.#bytes);
  }

  get offset(): number {
    return this.#bytes.length;
  }

  get acknowledged(): number {
    return this.#bytes.length;
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#store.onCall("write");
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    this.#store.ingests.set(this.#ref, this.#bytes);
  }

  async commit({ size, digest }: CommitOptions): Promise<"committed"> {
    this.#store.onCall("commit");
    const actual = digestOf(this.#bytes);
    if (this.#bytes.length !== size || actual !== digest) {
      const message =
        this.#bytes.length === size
          ? `unexpected commit digest ${actual}, expected ${digest}: failed precondition`
          : `unexpected commit size ${this.#bytes.length}, expected ${size}: failed precondition`;
      throw new ConnectError(message, Code.FailedPrecondition);
    }
    this.#store.ingests.delete(this.#ref);
    this.#store.blobs.set(digest, this.#bytes);
    return "committed";
  }

  async close(): Promise<void> {
    this.#store.locked.delete(this.#ref);
  }
}
