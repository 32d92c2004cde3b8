import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";

import { createCleanup } from "../harness/cleanup.ts";
import { keepLogs, keepPodLogs, suiteLog } from "./kept-logs.ts";
import { clusterLayout } from "./layout.ts";

test("logs of components and pods are kept, those of pods whose namespace has gone too", async (t) => {
  const cleanup = createCleanup(t);
  const layout = clusterLayout(join(cleanup.directory(), "data"));
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  };
  const pods = join(layout.data, "n1", "log", "pods");
  write(suiteLog(layout, "agent-n1"), "agent");
  write(join(layout.logs, "etcd.log"), "etcd");
  write(join(pods, "gone_web_1", "app", "0.log"), "web");
  write(join(pods, "stays_db_2", "app", "0.log"), "db");
  symlinkSync("/nowhere", join(pods, "stays_db_2", "app", "1.log"));
  await keepPodLogs(layout, ["n1", "n2"], "gone");
  assert.ok(!existsSync(join(layout.logs, "pods/n1/stays_db_2")));

  const target = join(cleanup.directory(), "kept");
  write(join(target, "older.log"), "of another run");
  await keepLogs(layout, ["n1", "n2"], target);
  const kept = (path: string): string => readFileSync(join(target, path), "utf8");
  assert.equal(kept("kept-logs.test.ts-agent-n1.log"), "agent");
  assert.equal(kept("etcd.log"), "etcd");
  assert.equal(kept("pods/n1/gone_web_1/app/0.log"), "web");
  assert.equal(kept("pods/n1/stays_db_2/app/0.log"), "db");
  assert.ok(!existsSync(join(target, "older.log")));
});
