import assert from "node:assert/strict";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { createCleanup } from "../harness/cleanup.ts";
import { readKernelSettings, restoreKernelSettings } from "./kernel-settings.ts";

test("what a kubelet has changed on the machine is put back, and nothing else is written", (t) => {
  const folder = createCleanup(t).directory();
  mkdirSync(join(folder, "vm"));
  mkdirSync(join(folder, "kernel"));
  writeFileSync(join(folder, "vm/overcommit_memory"), "0\n");
  writeFileSync(join(folder, "kernel/panic"), "0\n");
  const before = readKernelSettings(folder);
  assert.deepEqual(before, { "vm/overcommit_memory": "0", "kernel/panic": "0" });
  writeFileSync(join(folder, "vm/overcommit_memory"), "1\n");
  const untouched = statSync(join(folder, "kernel/panic")).mtimeMs;
  restoreKernelSettings(before, folder);
  assert.equal(readFileSync(join(folder, "vm/overcommit_memory"), "utf8"), "0\n");
  assert.equal(statSync(join(folder, "kernel/panic")).mtimeMs, untouched);
});

test("this machine's own settings can be read", () => {
  const settings = readKernelSettings();
  assert.match(settings["vm/overcommit_memory"] ?? "", /^[0-2]$/);
});
