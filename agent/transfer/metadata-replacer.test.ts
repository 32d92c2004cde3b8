import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Code, ConnectError } from "@connectrpc/connect";

import { MAX_SOURCES } from "../limits.ts";
import { ImportError } from "./import-error.ts";
import { digestOf } from "./memory-content.fixture.ts";
import { MemoryLeases } from "./memory-leases.fixture.ts";
import { MetadataReplacer } from "./metadata-replacer.ts";
import { breaksAt, createFetchRig, inTurn, sends, type Script } from "./scripted-sources.fixture.ts";

const BYTES = Buffer.from("the bytes of a manifest, all of them");
const WRONG = Buffer.from("these bytes belong to another one");
const BLOB = { digest: digestOf(BYTES), size: undefined };
const gone = new ConnectError("connection reset", Code.Unavailable);

function replacerRig(scripts: Readonly<Record<string, Script>>) {
  const rig = createFetchRig(scripts);
  const { clock, filler } = rig;
  const leases = new MemoryLeases();
  const replacer = new MetadataReplacer({ containerd: { ...rig.containerd, leases }, filler, clock });
  return { ...rig, leases, replacer };
}

describe("the bytes to put in place of damaged ones", () => {
  test("come from the first source that does not lie, and nothing is stored", async () => {
    const { replacer, context, pool, seen, content } = replacerRig({ a: sends(WRONG), b: sends(BYTES) });
    assert.deepEqual(await replacer.fetch(BLOB, context), BYTES);
    assert.deepEqual(
      pool.alive.map(({ node }) => node),
      ["b"],
    );
    assert.match(pool.failures[0]?.message ?? "", new RegExp(`wrong bytes.*${digestOf(WRONG)}`));
    assert.equal(seen.received, BYTES.length);
    assert.deepEqual([content.blobs.size, content.ingests.size], [0, 0]);
  });

  test("come whole from one source after one that broke off", async () => {
    const { replacer, context, asked } = replacerRig({ a: inTurn(breaksAt(5, BYTES, gone), sends(BYTES)) });
    assert.deepEqual(await replacer.fetch(BLOB, context), BYTES);
    assert.deepEqual(asked, ["a 0", "a 0"]);
  });

  test("are given up when only parts or nothing come, to be tried again", async () => {
    for (const script of [breaksAt(5, BYTES, gone), sends(new Uint8Array())]) {
      const { replacer, context, asked } = replacerRig({ a: script });
      await assert.rejects(replacer.fetch(BLOB, context), (error) => {
        assert.ok(error instanceof ImportError);
        assert.deepEqual([error.code, error.retryable], [Code.Unavailable, true]);
        return true;
      });
      assert.equal(asked.length, MAX_SOURCES);
    }
  });
});

test("putting bytes in place of others goes on when the import is stopped meanwhile", async () => {
  const { replacer, context, content, leases, stop } = replacerRig({});
  content.blobs.set(BLOB.digest, WRONG);
  content.onCall = (call) => {
    if (call === "open") stop.abort(new Error("stopped"));
  };
  await replacer.put(BLOB.digest, BYTES, context);
  assert.deepEqual(content.blobs.get(BLOB.digest), BYTES);
  assert.equal(leases.held.size, 0, "the lease that called for garbage collection is left");
});

test("what is here stays when there is no room for the right bytes", async () => {
  const { replacer, context, content } = replacerRig({});
  content.blobs.set(BLOB.digest, WRONG);
  content.onCall = (call) => {
    if (call === "write") throw new ConnectError("no space left on device", Code.ResourceExhausted);
  };
  await assert.rejects(replacer.put(BLOB.digest, BYTES, context), /no space left/);
  assert.deepEqual(content.blobs.get(BLOB.digest), WRONG);
  assert.equal(content.locked.size, 0);
});
