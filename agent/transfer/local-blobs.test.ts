import assert from "node:assert/strict";
import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { BufferPool } from "./buffer-pool.ts";
import { LocalBlobs } from "./local-blobs.ts";
import { digestOf, MemoryContent } from "./memory-content.fixture.ts";

const BYTES = Buffer.from("the bytes of a layer, all of them");
const DIGEST = digestOf(BYTES);

async function pieces(root: string): Promise<readonly string[]> {
  const content = new MemoryContent();
  content.blobs.set(DIGEST, BYTES);
  const buffers = new BufferPool({ minBytes: 1, maxBytes: 100, keep: 1 });
  const blobs = new LocalBlobs({ containerd: { content }, root, buffers, pieceBytes: 10 });
  const found: string[] = [];
  for await (const chunk of blobs.read(DIGEST, 4, BYTES.length, new AbortController().signal))
    found.push(Buffer.from(chunk).toString());
  return found;
}

test("a blob comes in small pieces from its file as from the Content API", async (t) => {
  const root = await mkdtemp(join(tmpdir(), "tote-blobs-"));
  t.after(() => rm(root, { recursive: true }));
  const expected = ["bytes of a", " layer, al", "l of them"];
  assert.deepEqual(await pieces(root), expected, "through the Content API");
  const folder = join(root, "io.containerd.content.v1.content/blobs/sha256");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, DIGEST.slice("sha256:".length)), BYTES);
  assert.deepEqual(await pieces(root), expected, "from the file");
});
