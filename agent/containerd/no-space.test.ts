import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Code, ConnectError } from "@connectrpc/connect";

import { isNoSpace } from "./errors.ts";
import { openedWriter, putBlob, randomBlob, suiteContainerd } from "./testing.ts";

const MIB = 1024 * 1024;

void describe("a full disk", () => {
  const suite = suiteContainerd({ tmpfsSize: 24 * MIB });

  void test("ends a write as resource_exhausted, and there is room again after abort", async () => {
    const { containerd } = suite;
    const blob = randomBlob(60 * MIB);
    const writer = await openedWriter(containerd, blob);
    const writing = (async () => {
      for (let at = 0; at < blob.size; at += MIB) await writer.write(blob.bytes.subarray(at, at + MIB));
      await writer.commit(blob);
    })();
    await assert.rejects(writing, (error: unknown) => {
      assert.ok(isNoSpace(error), String(error));
      assert.ok(error instanceof ConnectError && error.code === Code.ResourceExhausted);
      return true;
    });
    await writer.close();
    await containerd.content.abort(blob.ref);
    await putBlob(containerd, randomBlob(4 * MIB));
  });
});
