import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";

import { createClient, createRouterTransport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { Registry } from "prom-client";

import { Version } from "../../proto/gen/containerd/services/version/v1/version_pb.ts";
import { AgentService } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { collect, eventually, type FakeAgent, pause, rejection, startFakeAgent } from "./fake-agent.ts";
import { createMetricsInterceptor } from "./metrics.ts";

describe("metrics of the rpc port", () => {
  let fake: FakeAgent;
  beforeEach(async () => {
    fake = await startFakeAgent();
  });
  afterEach(() => fake.close());

  function connect() {
    return createClient(AgentService, createConnectTransport({ baseUrl: fake.url, httpVersion: "1.1" }));
  }

  it("have a series for each known method before the first call", async () => {
    const counts = await countsOf(fake.registry);
    assert.equal(counts.size, 9);
    assert.deepEqual([...new Set(counts.values())], [0]);
  });

  it("count calls by method and code", async () => {
    const client = connect();
    await client.getNode({});
    await client.getNode({});
    await rejection(() => client.resolveImage({ reference: "nginx" }));
    await rejection(() => client.resolveImage({ reference: "broken" }));
    await collect(client.exportBlob({ digest: "count", offset: 2n }));
    await rejection(() => collect(client.exportBlob({ digest: "late", offset: 5n })));
    const counts = await countsOf(fake.registry);
    assert.equal(counts.get("GetNode ok"), 2);
    assert.equal(counts.get("ResolveImage not_found"), 1);
    assert.equal(counts.get("ResolveImage internal"), 1);
    assert.equal(counts.get("ExportBlob ok"), 1);
    assert.equal(counts.get("ExportBlob data_loss"), 1);
  });

  it("count a stream when it has ended, and as long as it lasted", async () => {
    const stream = connect().exportBlob({ digest: "slow", offset: 5n })[Symbol.asyncIterator]();
    await stream.next();
    assert.equal((await countsOf(fake.registry)).get("ExportBlob ok"), 0);
    for (let item = await stream.next(); item.done !== true; item = await stream.next());
    assert.equal((await countsOf(fake.registry)).get("ExportBlob ok"), 1);
    const seconds = await secondsOf(fake.registry, "ExportBlob");
    assert.ok(seconds >= 0.09 && seconds < 20, `${seconds} s`);
  });

  it("count a stream that its client left as canceled, and one past its deadline as deadline_exceeded", async () => {
    for (const digest of ["silent", "endless"]) {
      const stop = new AbortController();
      const stream = connect().exportBlob({ digest }, { signal: stop.signal })[Symbol.asyncIterator]();
      await stream.next();
      stop.abort();
      await rejection(() => stream.next());
    }
    await eventually(() => fake.events.length === 2, "both have ended");
    // A client that keeps no deadline of its own, so that it is the server's that ends the call.
    const response = await fetch(`${fake.url}/tote.agent.v1.AgentService/ExportBlob`, {
      method: "POST",
      headers: { "content-type": "application/connect+json", "connect-timeout-ms": "50" },
      body: '\0\0\0\0\x13{"digest":"silent"}',
    });
    assert.match(await response.text(), /deadline_exceeded/);
    await eventually(() => fake.events.length === 3, "all have ended");
    await pause(10);
    const counts = await countsOf(fake.registry);
    assert.equal(counts.get("ExportBlob canceled"), 2);
    assert.equal(counts.get("ExportBlob deadline_exceeded"), 1);
    assert.equal(counts.get("ExportBlob ok"), 0);
  });

  it("know no method but those named: others are one series", async () => {
    const registry = new Registry();
    const interceptor = createMetricsInterceptor({ registry, services: [AgentService], now: () => 0 });
    const transport = createRouterTransport((router) => router.service(Version, { version: () => ({}) }), {
      router: { interceptors: [interceptor] },
    });
    await createClient(Version, transport).version({});
    assert.equal((await countsOf(registry)).get("unknown ok"), 1);
  });

  it("are named as documented", async () => {
    await connect().getNode({});
    const text = await fake.registry.metrics();
    assert.match(text, /^tote_agent_rpc_requests_total\{method="GetNode",code="ok"\} 1$/m);
    assert.match(text, /^tote_agent_rpc_duration_seconds_count\{method="GetNode"\} 1$/m);
  });
});

async function countsOf(registry: Registry): Promise<ReadonlyMap<string, number>> {
  const metric = await registry.getSingleMetric("tote_agent_rpc_requests_total")?.get();
  return new Map(metric?.values.map(({ labels, value }) => [`${labels["method"]} ${labels["code"]}`, value]));
}

async function secondsOf(registry: Registry, method: string): Promise<number> {
  const text = await registry.metrics();
  const [, seconds] = new RegExp(`duration_seconds_sum\\{method="${method}"\\} (\\S+)`).exec(text) ?? [];
  return Number(seconds);
}
