import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, describe, it } from "node:test";

import { Counter, Registry } from "prom-client";

import { startHealthServer } from "./health-server.ts";
import type { HealthServer, MetricsSource, Readiness } from "./health-server.ts";

let registry: MetricsSource;
let readiness: () => Readiness;
let server: HealthServer;

before(async () => {
  const real = new Registry();
  new Counter({ name: "tote_test_total", help: "a test", registers: [real] }).inc(3);
  registry = real;
  readiness = () => ({ ready: true, reason: "" });
  server = await startHealthServer({
    host: "127.0.0.1",
    port: 0,
    registry: {
      get contentType() {
        return registry.contentType;
      },
      metrics: () => registry.metrics(),
    },
    readiness: () => readiness(),
  });
});

after(async () => {
  await server.close();
});

async function get(
  path: string,
  method = "GET",
): Promise<{ status: number; text: string; headers: Headers }> {
  const response = await fetch(`http://${server.address}${path}`, { method });
  return { status: response.status, text: await response.text(), headers: response.headers };
}

describe("startHealthServer", () => {
  it("serves the metrics of the registry", async () => {
    const { status, text, headers } = await get("/metrics");
    assert.equal(status, 200);
    assert.match(text, /^tote_test_total 3$/m);
    assert.match(headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
  });

  it("says that the process lives", async () => {
    assert.deepEqual([(await get("/healthz")).status, (await get("/healthz?verbose=1")).text], [200, "ok\n"]);
  });

  it("is ready or not as the service says, with the reason", async () => {
    assert.equal((await get("/readyz")).status, 200);
    readiness = () => ({ ready: false, reason: "containerd does not answer" });
    const { status, text } = await get("/readyz");
    assert.deepEqual([status, text], [503, "not ready: containerd does not answer\n"]);
    assert.equal((await get("/healthz")).status, 200, "alive all the same");
    readiness = () => ({ ready: true, reason: "" });
    assert.equal((await get("/readyz")).status, 200);
  });

  it("answers HEAD without a body, 404 elsewhere and 405 to other methods", async () => {
    const head = await get("/healthz", "HEAD");
    assert.deepEqual([head.status, head.text], [200, ""]);
    assert.equal((await get("/")).status, 404);
    assert.equal((await get("/metrics/x")).status, 404);
    assert.equal((await get("/healthz", "POST")).status, 405);
    assert.equal((await get("/healthz", "DELETE")).headers.get("allow"), "GET, HEAD");
    assert.equal((await get("/else", "POST")).status, 404);
  });

  it("answers 500 with the reason when metrics or readiness fail, and goes on", async () => {
    const [goodRegistry, goodReadiness] = [registry, readiness];
    registry = { contentType: "text/plain", metrics: () => Promise.reject(new Error("a collector broke")) };
    readiness = () => {
      throw new Error("no state");
    };
    assert.deepEqual(await get("/metrics").then(({ status, text }) => [status, text]), [
      500,
      "/metrics failed: a collector broke\n",
    ]);
    assert.equal((await get("/readyz")).status, 500);
    [registry, readiness] = [goodRegistry, goodReadiness];
    assert.equal((await get("/metrics")).status, 200);
  });

  it("says in one sentence why it cannot listen", async () => {
    const options = { registry, readiness };
    await assert.rejects(
      startHealthServer({ host: "127.0.0.1", port: server.port, ...options }),
      /^Error: cannot serve metrics and health on 127\.0\.0\.1:\d+: another process listens there/,
    );
    await assert.rejects(
      startHealthServer({ host: "192.0.2.1", port: 0, ...options }),
      /has no such address/,
    );
  });

  it("listens on every address when no host is given", async () => {
    const everywhere = await startHealthServer({ host: "", port: 0, registry, readiness });
    const response = await fetch(`http://127.0.0.1:${everywhere.port}/healthz`);
    assert.equal(await response.text(), "ok\n");
    await everywhere.close();
  });

  it("closes at once, idle connections included, and twice without harm", async () => {
    const other = await startHealthServer({ host: "127.0.0.1", port: 0, registry, readiness });
    const idle = connect(other.port, "127.0.0.1");
    await once(idle, "connect");
    idle.on("error", () => idle.destroy());
    const ended = once(idle, "close");
    await other.close();
    await ended;
    await other.close();
    await assert.rejects(fetch(`http://${other.address}/healthz`));
  });
});
