import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";

import { Code, createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";

import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../proto/gen/grpc/health/v1/health_pb.ts";
import { eventually, type FakeAgent, rejection, startFakeAgent } from "./fake-agent.ts";

describe("the health service", () => {
  let fake: FakeAgent;
  let sessions: Http2SessionManager;

  beforeEach(async () => {
    fake = await startFakeAgent();
    sessions = new Http2SessionManager(fake.url);
  });
  afterEach(async () => {
    sessions.abort();
    await fake.close();
  });

  function connect() {
    return createClient(Health, createGrpcTransport({ baseUrl: fake.url, sessionManager: sessions }));
  }

  it("answers for the server as a whole and for the agent's service", async () => {
    const client = connect();
    for (const service of ["", "tote.agent.v1.AgentService"]) {
      assert.equal((await client.check({ service })).status, Status.SERVING);
      fake.readiness.setNotReady("containerd does not answer");
      assert.equal((await client.check({ service })).status, Status.NOT_SERVING);
      fake.readiness.setReady();
    }
  });

  it("says not_found for an unknown service, and which ones there are", async () => {
    const failure = await rejection(() => connect().check({ service: "tote.Nothing" }));
    assert.equal(failure.code, Code.NotFound);
    assert.match(failure.rawMessage, /tote\.Nothing.*tote\.agent\.v1\.AgentService/);
  });

  it("sends the status at once and whenever it changes, but not when only the reason does", async () => {
    const stream = connect().watch({ service: "" })[Symbol.asyncIterator]();
    assert.equal((await stream.next()).value?.status, Status.SERVING);
    fake.readiness.setNotReady("containerd does not answer");
    assert.equal((await stream.next()).value?.status, Status.NOT_SERVING);
    fake.readiness.setNotReady("containerd answers nonsense");
    fake.readiness.setReady();
    assert.equal((await stream.next()).value?.status, Status.SERVING);
  });

  it("sends SERVICE_UNKNOWN to who watches an unknown service, and leaves the stream open", async () => {
    const stream = connect().watch({ service: "tote.Nothing" })[Symbol.asyncIterator]();
    assert.equal((await stream.next()).value?.status, Status.SERVICE_UNKNOWN);
    fake.readiness.setNotReady("x");
    const next = stream.next();
    assert.equal(
      await Promise.race([
        next,
        connect()
          .check({})
          .then(() => "open"),
      ]),
      "open",
    );
    fake.stopping.abort();
    await rejection(() => next);
  });

  it("ends watches with unavailable when the agent stops, so that they do not hold it up", async () => {
    const stream = connect().watch({})[Symbol.asyncIterator]();
    await stream.next();
    fake.stopping.abort();
    assert.equal((await rejection(() => stream.next())).code, Code.Unavailable);
  });

  it("forgets a watcher that went away", async () => {
    const stop = new AbortController();
    const stream = connect().watch({}, { signal: stop.signal })[Symbol.asyncIterator]();
    await stream.next();
    assert.equal(fake.readiness.watchers, 1);
    stop.abort();
    await rejection(() => stream.next());
    await eventually(() => fake.readiness.watchers === 0, "the watcher is gone");
  });
});
