import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { Registry } from "prom-client";

import { silentLogger } from "../lib/log.ts";
import { createApiServer, parseObject } from "../test/harness/apiserver/server.ts";
import type { ApiServer } from "../test/harness/apiserver/types.ts";
import { createCleanup } from "../test/harness/cleanup.ts";
import { kubeClient } from "../test/harness/kube-client.ts";
import { createManualClock, type ManualClock } from "../test/harness/manual-clock.ts";
import { waitFor } from "../test/harness/wait.ts";
import { createClusterView, subjectKey, type ClusterView } from "./cluster-view.ts";
import { WATCH_STALE_MS } from "./kube/limits.ts";
import { createKubeMetrics } from "./kube/metrics.ts";
import { parseCrd } from "./testing/crd.ts";
import { rawPod, type PodOptions } from "./testing/pods.ts";
import { DIGEST } from "./testing/records.ts";

const IMAGE = "registry.test:5000/app:v1";

interface Case {
  readonly server: ApiServer;
  readonly view: ClusterView;
  readonly clock: ManualClock;
  readonly put: (options: PodOptions) => void;
  readonly run: () => void;
}

async function setUp(t: TestContext, agentNamespace = ""): Promise<Case> {
  const cleanup = createCleanup();
  const stop = new AbortController();
  let running: Promise<void> | undefined;
  t.after(async () => {
    stop.abort();
    await running;
    await cleanup.run();
  });
  const server = await createApiServer({ cleanup, crds: [parseCrd()] });
  const { api } = await kubeClient({ server, cleanup });
  const clock = createManualClock();
  const view = createClusterView({
    api,
    agentNamespace,
    clock,
    random: () => 0.5,
    logger: silentLogger,
    metrics: createKubeMetrics(new Registry()),
  });
  return {
    server,
    view,
    clock,
    put: (options) => void server.put(parseObject(JSON.stringify(rawPod(options)))),
    run: () => void (running = view.run(stop.signal)),
  };
}

test("pods are found by namespace, node, image and digest, by whatever name they write", async (t) => {
  const { view, put, run } = await setUp(t);
  const imageId = `docker.io/library/nginx@${DIGEST}`;
  put({
    name: "short",
    containers: [
      { image: "nginx", imageId },
      { name: "b", image: "nginx:latest" },
    ],
  });
  put({ name: "long", namespace: "bank", containers: [{ image: "docker.io/library/nginx:latest" }] });
  put({ name: "unscheduled", node: "", containers: [{ image: IMAGE }] });
  run();
  await view.synced();
  const { store } = view.pods;
  assert.deepEqual(store.findKeys("image", "docker.io/library/nginx:latest").toSorted(), [
    "bank/long",
    "shop/short",
  ]);
  assert.deepEqual(store.findKeys("digest", DIGEST), ["shop/short"]);
  assert.deepEqual(store.findKeys("node", "node-b").toSorted(), ["bank/long", "shop/short"]);
  assert.deepEqual(store.findKeys("node", ""), []);
  assert.equal(store.count("namespace", "shop"), 2);
});

test("nodes are found by the names and digests of their images", async (t) => {
  const { view, server, run } = await setUp(t);
  const images = [{ names: [`registry.test:5000/app@${DIGEST}`, IMAGE] }];
  server.put({ apiVersion: "v1", kind: "Node", metadata: { name: "node-a" }, status: { images } });
  server.put({ apiVersion: "v1", kind: "Node", metadata: { name: "node-b" } });
  run();
  await view.synced();
  assert.deepEqual(view.nodes.store.findKeys("name", IMAGE), ["node-a"]);
  assert.deepEqual(view.nodes.store.findKeys("digest", DIGEST), ["node-a"]);
});

test("records are found by what they are about, and one that cannot be read is kept with its problem", async (t) => {
  const { view, server, run } = await setUp(t);
  const record = (name: string, spec: unknown) =>
    server.put({
      apiVersion: "tote.dev/v1alpha1",
      kind: "SalvageRecord",
      metadata: { name, namespace: "shop" },
      spec,
    });
  record("good", { imageRef: "nginx", targetNode: "node-b", digest: DIGEST });
  record("bad", { imageRef: 7 });
  run();
  await view.synced();
  const { store } = view.records;
  const subject = subjectKey("shop", "docker.io/library/nginx:latest", "node-b");
  assert.deepEqual(store.findKeys("subject", subject), ["shop/good"]);
  assert.deepEqual(store.findKeys("digest", DIGEST), ["shop/good"]);
  assert.deepEqual(store.findKeys("node", "node-b"), ["shop/good"]);
  assert.deepEqual(store.findKeys("image", "shop\nnginx"), [], "it has no status yet");
  assert.equal(store.get("shop/bad")?.record, undefined);
  assert.match(store.get("shop/bad")?.problem ?? "", /imageRef/);
});

test("agents are the labelled pods of one namespace, and nobody without one", async (t) => {
  const { view, server, put, run } = await setUp(t, "tote");
  const labels = { "app.kubernetes.io/name": "tote", "app.kubernetes.io/component": "agent" };
  put({ name: "agent", namespace: "tote", labels });
  put({ name: "other", namespace: "tote" });
  put({ name: "stranger", namespace: "shop", labels });
  run();
  await view.synced();
  assert.deepEqual([...(view.agents?.store.keys() ?? [])], ["tote/agent"]);
  put({ name: "agent-2", namespace: "tote", labels });
  await waitFor("the new agent", () => view.agents?.store.has("tote/agent-2"));
  server.delete("pods", "tote/agent");
  await waitFor("the end of the old one", () => view.agents?.store.has("tote/agent") === false);
  const { view: without } = await setUp(t);
  assert.equal(without.agents, undefined);
});

test("it is ready once everything is listed, and no longer when a watch falls silent", async (t) => {
  const { view, server, clock, run } = await setUp(t);
  assert.match(view.readiness().reason, /^pods are not listed yet/);
  const end = server.faults.add({ kind: "status", status: 403, verb: "list", resource: "nodes" });
  run();
  await waitFor("the list of pods", () => view.pods.isSynced);
  await waitFor("the refusal", () => view.nodes.problem !== "");
  const { ready, reason } = view.readiness();
  assert.equal(ready, false);
  assert.match(reason, /^nodes are not listed yet: .*403/);
  end();
  await waitFor("the next try", async () => {
    await clock.advance(1_000);
    return view.readiness().ready;
  });
  server.faults.add({ kind: "hang", verb: ["watch", "list"], resource: "namespaces" });
  server.faults.hangWatches("namespaces");
  await clock.advance(WATCH_STALE_MS + 1);
  assert.match(view.readiness().reason, /the watch of \w+ has said nothing for \d+ s/);
});
