import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { createCleanup } from "../test/harness/cleanup.ts";
import { readImageFs } from "./node-facts.ts";

void test("room is told of a folder, and nothing of one that is absent or no folder", async (t) => {
  const directory = createCleanup(t).directory();
  const file = join(directory, "file");
  await writeFile(file, "");
  const { freeBytes = 0, totalBytes = 0 } = (await readImageFs(directory)) ?? {};
  assert.ok(freeBytes > 0 && freeBytes <= totalBytes, `${freeBytes} of ${totalBytes}`);
  assert.equal(await readImageFs(join(directory, "absent")), undefined);
  assert.equal(await readImageFs(join(file, "below")), undefined);
});
