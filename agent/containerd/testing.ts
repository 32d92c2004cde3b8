/** What the tests of this folder share: a containerd of their own, and blobs. */
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { after, before } from "node:test";

import { createCleanup } from "../../test/harness/cleanup.ts";
import {
  startContainerd,
  type ContainerdNode,
  type ContainerdOptions,
} from "../../test/harness/containerd-node.ts";
import { createContainerd } from "./client.ts";
import type { ContentWriter, Containerd, OpenWriterOptions } from "./types.ts";

/** Keeps the blobs of a suite: each deletion in one test makes containerd collect those of the others soon after. */
const suiteLease = "suite";

/** A containerd that lives as long as the tests of a suite. */
export interface SuiteContainerd {
  /** its process */
  readonly node: ContainerdNode;
  /** its client, in namespace "k8s.io" */
  readonly containerd: Containerd;
  /** a client in another namespace */
  inNamespace(namespace: string): Containerd;
}

/** Starts a containerd before the tests of the suite that this is called in, and stops it after them. */
export function suiteContainerd(options: Omit<ContainerdOptions, "cleanup" | "name"> = {}): SuiteContainerd {
  const cleanup = createCleanup();
  const clients: Containerd[] = [];
  let node: ContainerdNode | undefined;

  function running(): ContainerdNode {
    if (node === undefined) throw new Error("the suite's containerd has not been started");
    return node;
  }

  function inNamespace(namespace: string): Containerd {
    const known = clients.find((client) => client.namespace === namespace);
    if (known !== undefined) return known;
    const client = createContainerd({ socket: running().socket, namespace });
    clients.push(client);
    return client;
  }

  before(async () => {
    node = await startContainerd({ ...options, name: "containerd", cleanup });
    await inNamespace("k8s.io").leases.create({ id: suiteLease });
  });
  after(async () => {
    for (const client of clients) client.close();
    await cleanup.run();
  });
  return {
    get node() {
      return running();
    },
    get containerd() {
      return inNamespace("k8s.io");
    },
    inNamespace,
  };
}

/** Random bytes with their digest and an ingest ref that nothing else uses. */
export interface TestBlob {
  readonly bytes: Uint8Array;
  readonly digest: string;
  readonly size: number;
  readonly ref: string;
}

/** A blob that exists nowhere yet. */
export function randomBlob(size: number): TestBlob {
  return blobOf(randomBytes(size));
}

/** A blob with these bytes. */
export function blobOf(bytes: Uint8Array): TestBlob {
  return { bytes, digest: digestOf(bytes), size: bytes.length, ref: `test-${randomUUID()}` };
}

/** "sha256:<hex>" of bytes. */
export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** Opens a writer, in the suite's lease unless told otherwise; throws when the blob exists. */
export async function openedWriter(
  containerd: Containerd,
  blob: TestBlob,
  options: Partial<OpenWriterOptions> = {},
): Promise<ContentWriter> {
  const { ref, digest, size } = blob;
  const opened = await containerd.content.openWriter({ ref, digest, size, lease: suiteLease, ...options });
  if (opened.kind !== "open") throw new Error(`${digest} exists already`);
  return opened.writer;
}

/** Stores a blob, in the suite's lease unless told otherwise. */
export async function putBlob(
  containerd: Containerd,
  blob: TestBlob,
  options: { readonly lease?: string | undefined } = {},
): Promise<void> {
  const writer = await openedWriter(containerd, blob, options);
  try {
    await writer.write(blob.bytes);
    await writer.commit({ size: blob.size, digest: blob.digest });
  } finally {
    await writer.close();
  }
}

/** Everything that an iterable gives. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** Makes containerd's garbage collector run, and waits for it. */
export async function forceGc(containerd: Containerd): Promise<void> {
  const id = `gc-${randomUUID()}`;
  await containerd.leases.create({ id });
  await containerd.leases.delete(id, { sync: true });
}
