import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { createApiServer } from "../../test/harness/apiserver/server.ts";
import type { ApiServer } from "../../test/harness/apiserver/types.ts";
import { createCleanup } from "../../test/harness/cleanup.ts";
import { kubeClient } from "../../test/harness/kube-client.ts";
import { createManualClock } from "../../test/harness/manual-clock.ts";
import { waitFor } from "../../test/harness/wait.ts";
import type { KubeApi } from "./kube-api.ts";
import { leaderApi } from "./leader-api.ts";
import { NotLeadingError, RunningTerm } from "./leader-term.ts";
import { NAMESPACES, PODS } from "./resources.ts";

const { signal } = new AbortController();
const POD = {
  metadata: { name: "web", namespace: "shop" },
  spec: { containers: [{ name: "c", image: "x" }] },
};
const KEY = { name: "web", namespace: "shop" };

interface Rig {
  readonly server: ApiServer;
  readonly api: KubeApi;
  readonly term: RunningTerm;
  readonly clock: ReturnType<typeof createManualClock>;
}

async function startRig(t: TestContext): Promise<Rig> {
  const cleanup = createCleanup(t);
  const server = await createApiServer({ cleanup });
  server.put({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
  const { api } = await kubeClient({ server, cleanup });
  const clock = createManualClock();
  const term = new RunningTerm({ epoch: 1, clock, until: 10_000 });
  return { server, api: leaderApi(api, term), term, clock };
}

test("a leader writes", async (t) => {
  const { server, api } = await startRig(t);
  const created = await api.create(PODS, POD, { signal });
  await api.patch(PODS, KEY, { metadata: { labels: { a: "b" } } }, { signal });
  await assert.rejects(api.replace(PODS, created, { signal }), /409/);
  await api.delete(PODS, KEY, { signal });
  assert.equal(server.get("pods", "shop/web"), undefined);
});

test("no write is sent after the term, even before anybody has been told of its end; reads are", async (t) => {
  const { server, api, term, clock } = await startRig(t);
  await clock.advance(10_000);
  const writes = [
    () => api.create(PODS, POD, { signal }),
    () => api.replace(PODS, POD, { signal }),
    () => api.patch(PODS, KEY, {}, { signal }),
    () => api.delete(PODS, KEY, { signal }),
  ];
  assert.equal(term.signal.aborted, false);
  for (const write of writes) await assert.rejects(write, NotLeadingError);
  assert.equal(server.requests.length, 0);
  assert.equal((await api.get(NAMESPACES, { name: "shop" }, { signal })).metadata.name, "shop");
});

test("a write that waits for the API server is given up when the term ends", async (t) => {
  const { server, api, term } = await startRig(t);
  server.faults.add({ kind: "hang" });
  const write = api.create(PODS, POD, { signal });
  await waitFor("the request", () => server.requests.length === 1);
  term.end(new NotLeadingError("over"));
  await assert.rejects(write, { message: "over" });
});

test("a write that was sent away with Retry-After is not sent again after the term", async (t) => {
  const { server, api, clock } = await startRig(t);
  server.faults.add({ kind: "status", status: 429, retryAfterSeconds: 1, times: 1 });
  const write = api.create(PODS, POD, { signal });
  const failed = assert.rejects(write, NotLeadingError);
  await waitFor("the request", () => server.requests.length === 1);
  await clock.advance(10_000);
  await failed;
  assert.equal(server.requests.length, 1);
});
