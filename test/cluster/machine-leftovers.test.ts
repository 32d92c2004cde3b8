import assert from "node:assert/strict";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";

import { createCleanup } from "../harness/cleanup.ts";
import { startProcess } from "../harness/processes.ts";
import { waitFor } from "../harness/wait.ts";
import { clusterLayout } from "./layout.ts";
import { findLeftovers, newSince, type Leftovers } from "./machine-leftovers.ts";

const NONE: Leftovers = {
  namespaces: [],
  links: [],
  mounts: [],
  processes: [],
  folders: [],
  cgroups: [],
  kernel: {},
};

test("what is new is told, what was there before or is gone is not", () => {
  const before = { ...NONE, cgroups: ["a", "b"], folders: ["/x"], kernel: { "vm/panic_on_oom": "1" } };
  const after = { ...NONE, cgroups: ["b"], folders: ["/x", "/y"], kernel: { "vm/panic_on_oom": "0" } };
  assert.deepEqual(newSince(before, after), ["folders: /y", "vm/panic_on_oom: 0, was 1"]);
  assert.deepEqual(newSince(before, before), []);
});

test("a process that names the cluster's folders is found, and its end", async (t) => {
  const cleanup = createCleanup(t);
  const args = ["-e", "setInterval(() => {}, 1000)", join(clusterLayout().data, "config.toml")];
  const sleeper = startProcess({ name: "sleeper", command: process.execPath, args, cleanup });
  const found = (): boolean => findLeftovers().processes.includes(`${sleeper.pid} node`);
  await waitFor("the process to be found", found);
  await sleeper.kill();
  assert.ok(!found());
});
