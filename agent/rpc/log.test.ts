import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";

import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";

import { ROLES } from "../../lib/roles.ts";
import { Health } from "../../proto/gen/grpc/health/v1/health_pb.ts";
import { AgentService } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import {
  collect,
  createTestPki,
  dialOptions,
  eventually,
  type FakeAgent,
  type LogLine,
  rejection,
  startFakeAgent,
} from "./fake-agent.ts";

describe("the access log", () => {
  let fake: FakeAgent;
  beforeEach(async () => {
    fake = await startFakeAgent();
  });
  afterEach(() => fake.close());

  function transport() {
    return createConnectTransport({ baseUrl: fake.url, httpVersion: "1.1" });
  }

  it("has a line for each call with method, code, duration and caller", async () => {
    await createClient(AgentService, transport()).getNode({});
    const [line] = fake.logs;
    assert.equal(line?.level, "info");
    const { durationMs, ...fields } = line.fields;
    assert.equal(typeof durationMs, "number");
    assert.deepEqual(fields, { method: "tote.agent.v1.AgentService/GetNode", code: "ok", caller: "anyone" });
  });

  it("names the role of a caller with a certificate, also when it was refused", async () => {
    const pki = await createTestPki();
    const secure = await startFakeAgent({ tls: await pki.issue(ROLES.agent) });
    const nodeOptions = dialOptions(await pki.issue(ROLES.relay));
    const client = createClient(
      AgentService,
      createConnectTransport({ baseUrl: secure.url, httpVersion: "1.1", nodeOptions }),
    );
    await rejection(() => client.getNode({}));
    const line = secure.logs.find(({ message }) => message === "rpc");
    assert.equal(line?.fields["caller"], "tote-relay");
    assert.equal(line.fields["code"], "permission_denied");
    assert.match(String(line.fields["error"]), /^tote-relay may not call GetNode/);
    await secure.close();
  });

  it("has health checks at debug level only", async () => {
    await createClient(Health, transport()).check({});
    assert.deepEqual(
      fake.logs.map(({ level }) => level),
      ["debug"],
    );
  });

  it("has the stack of a fault that the client learns nothing of", async () => {
    const failure = await rejection(() =>
      createClient(AgentService, transport()).resolveImage({ reference: "broken" }),
    );
    assert.equal(failure.rawMessage, "internal error");
    const [line] = fake.logs;
    assert.equal(line?.level, "error");
    assert.equal(line.fields["code"], "internal");
    assert.equal(line.fields["error"], "password is hunter2");
    assert.match(String(line.fields["stack"]), /fake-agent\.ts/);
  });

  it("has expected errors as what they are, without a stack", async () => {
    await rejection(() => createClient(AgentService, transport()).resolveImage({ reference: "nginx" }));
    const [line] = fake.logs;
    assert.equal(line?.level, "info");
    assert.equal(line.fields["code"], "not_found");
    assert.equal(line.fields["error"], 'no image "nginx" on this node');
    assert.equal(line.fields["stack"], undefined);
  });

  it("has a stream once, at its end, however it ended", async () => {
    const client = createClient(AgentService, transport());
    await collect(client.exportBlob({ digest: "count", offset: 3n }));
    const stop = new AbortController();
    const left = client.exportBlob({ digest: "silent" }, { signal: stop.signal })[Symbol.asyncIterator]();
    await left.next();
    stop.abort();
    await rejection(() => left.next());
    await eventually(() => rpcLines(fake.logs).length === 2, "two lines");
    assert.deepEqual(
      rpcLines(fake.logs).map(({ level, fields }) => [level, fields["code"]]),
      [
        ["debug", "ok"],
        ["info", "canceled"],
      ],
    );
  });

  it("has a blob at debug level when all of it was sent, other streams and failures where they are seen", async () => {
    const client = createClient(AgentService, transport());
    await collect(client.exportBlob({ digest: "count", offset: 3n }));
    await rejection(() => collect(client.exportBlob({ digest: "late", offset: 3n })));
    await collect(client.exportImage({ reference: "count" }));
    await eventually(() => rpcLines(fake.logs).length === 3, "three lines");
    assert.deepEqual(
      rpcLines(fake.logs).map(({ level, fields }) => [level, fields["code"]]),
      [
        ["debug", "ok"],
        ["info", "data_loss"],
        ["info", "ok"],
      ],
    );
  });
});

function rpcLines(lines: readonly LogLine[]): readonly LogLine[] {
  return lines.filter(({ message }) => message.startsWith("rpc") && !message.includes("broke off"));
}
