import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";

import { Registry } from "prom-client";

import { startHealthServer } from "./health-server.ts";

test("probes are answered while many hold connections open and say nothing", async (t) => {
  const readiness = () => ({ ready: true, reason: "" });
  const server = await startHealthServer({ host: "127.0.0.1", port: 0, registry: new Registry(), readiness });
  t.after(() => server.close());
  const silent = Array.from({ length: 200 }, () => connect(server.port, "127.0.0.1"));
  t.after(() => silent.forEach((socket) => socket.destroy()));
  for (const socket of silent) socket.on("error", () => undefined);
  await once(silent.at(-1) ?? assert.fail(), "connect");
  for (let probe = 0; probe < 5; probe += 1) {
    assert.equal((await fetch(`http://${server.address}/healthz`)).status, 200);
  }
});
