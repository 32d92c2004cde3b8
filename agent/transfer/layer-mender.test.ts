import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Code, ConnectError } from "@connectrpc/connect";

import { ImportError } from "./import-error.ts";
import { KeyedLock } from "./keyed-lock.ts";
import { LayerMender } from "./layer-mender.ts";
import { digestOf } from "./memory-content.fixture.ts";
import { MemoryLeases } from "./memory-leases.fixture.ts";
import { createFetchRig, sends, type Script } from "./scripted-sources.fixture.ts";
import { LayerError } from "./unpacker.ts";

const BYTES = Buffer.from("the bytes of a layer, all of them");
const ZEROS = new Uint8Array(BYTES.length);
const LAYER = {
  mediaType: "layer",
  digest: digestOf(BYTES),
  size: BYTES.length,
  diffId: "diff",
  chainId: "chain",
};
const failure = {
  error: new LayerError(Code.DataLoss, "unpacks to something else", { retryable: false }),
  begun: 1000,
};

/** A node that has these bytes as the layer. */
function menderRig(here: Uint8Array, scripts: Readonly<Record<string, Script>>) {
  const rig = createFetchRig(scripts);
  const { clock, content, context, fetcher } = rig;
  content.blobs.set(LAYER.digest, here);
  const containerd = { ...rig.containerd, leases: new MemoryLeases() };
  const mender = new LayerMender({ containerd, fetcher, locks: new KeyedLock(), clock });
  return { ...rig, mend: () => mender.mend(LAYER, failure, context) };
}

describe("a layer that did not unpack", () => {
  test("is fetched anew when its bytes here are damaged", async () => {
    const { mend, content, asked, pool } = menderRig(ZEROS, { a: sends(BYTES) });
    await mend();
    assert.deepEqual(content.blobs.get(LAYER.digest), BYTES);
    assert.deepEqual(asked, ["a 0"]);
    assert.deepEqual(pool.failures, []);
  });

  test("is what it is when its bytes are right: nobody is asked", async () => {
    const { mend, content, asked } = menderRig(BYTES, { a: sends(BYTES) });
    await assert.rejects(mend(), failure.error);
    assert.deepEqual(content.blobs.get(LAYER.digest), BYTES);
    assert.deepEqual(asked, []);
  });

  test("is worth another try when somebody else has put its bytes right since", async () => {
    const { mend, content, asked } = menderRig(BYTES, { a: sends(BYTES) });
    const info = await content.info(LAYER.digest);
    assert.ok(info);
    content.info = async () => ({ ...info, createdAt: new Date(failure.begun + 1) });
    await mend();
    assert.deepEqual(asked, []);
  });

  test("is gone when no source has it, and the import may be tried again", async () => {
    const missing: Script = async function* () {
      yield* [];
      throw new ConnectError("it is not on this node", Code.NotFound);
    };
    const { mend, content } = menderRig(ZEROS, { a: missing });
    await assert.rejects(mend(), (error) => {
      assert.ok(error instanceof ImportError);
      assert.match(error.message, /was damaged on this node and is removed: no source left .*a: it is not/);
      assert.equal(error.retryable, true);
      return true;
    });
    assert.equal(content.blobs.size, 0);
  });

  test("is told when its damaged bytes come back once removed", async () => {
    const { mend, content } = menderRig(ZEROS, { a: sends(BYTES) });
    content.delete = async () => undefined;
    await assert.rejects(mend(), /damaged on this node, and back once removed: another namespace/);
  });
});
