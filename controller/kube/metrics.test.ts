import assert from "node:assert/strict";
import { test } from "node:test";

import { Registry } from "prom-client";

import { silentLogger } from "../../lib/log.ts";
import { createApiServer } from "../../test/harness/apiserver/server.ts";
import { createCleanup } from "../../test/harness/cleanup.ts";
import { kubeClient } from "../../test/harness/kube-client.ts";
import { createManualClock } from "../../test/harness/manual-clock.ts";
import { LeaderElector } from "./leader-elector.ts";
import { createKubeMetrics } from "./metrics.ts";
import { Reflector } from "./reflector.ts";
import { NAMESPACES } from "./resources.ts";
import { WorkQueue } from "./work-queue.ts";

test("requests, watches, queues and leadership show in the metrics", async (t) => {
  const cleanup = createCleanup(t);
  const server = await createApiServer({ cleanup });
  const registry = new Registry();
  const metrics = createKubeMetrics(registry);
  const clock = createManualClock();
  const { api } = await kubeClient({ server, cleanup, clock, onCall: (report) => metrics.countCall(report) });
  const common = { api, clock, random: () => 0, logger: silentLogger };
  const reflector = new Reflector({
    ...common,
    resource: NAMESPACES,
    strip: ({ metadata }) => ({ resourceVersion: metadata.resourceVersion ?? "" }),
    indexers: {},
    observer: metrics.reflectorObserver("namespaces"),
  });
  metrics.showReflector("namespaces", reflector);
  const queue = new WorkQueue({ clock, random: () => 0, observer: metrics.queueObserver("salvage") });
  metrics.showQueue("salvage", queue);
  const elector = new LeaderElector({ ...common, namespace: "default", name: "x", identity: "one" });
  metrics.showElector(elector);

  const stop = new AbortController();
  const running = reflector.run(stop.signal);
  await reflector.synced;
  await clock.advance(4000);
  queue.add("a", "high");
  queue.add("b");
  queue.addAfter("c", 1000);
  await queue.take(stop.signal);

  const text = await registry.metrics();
  for (const line of [
    'tote_kube_requests_total{verb="list",resource="namespaces",code="200"} 1',
    'tote_watch_objects{resource="namespaces"} 4',
    'tote_watch_age_seconds{resource="namespaces"} 4',
    'tote_watch_ends_total{resource="namespaces",how="expired"} 0',
    'tote_queue_depth{queue="salvage",state="high"} 0',
    'tote_queue_depth{queue="salvage",state="normal"} 1',
    'tote_queue_depth{queue="salvage",state="processing"} 1',
    'tote_queue_depth{queue="salvage",state="delayed"} 1',
    'tote_queue_adds_total{queue="salvage"} 2',
    "tote_leader 0",
  ]) {
    assert.ok(text.split("\n").includes(line), `${line}\nnot in\n${text}`);
  }
  stop.abort();
  await running;
  queue.close();
});
