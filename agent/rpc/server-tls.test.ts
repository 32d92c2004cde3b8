import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";
import tls from "node:tls";

import { Code, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";

import { ROLES } from "../../lib/roles.ts";
import type { TlsMaterial } from "../../lib/tls.ts";
import { AgentService } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import {
  createTestPki,
  dialOptions,
  type FakeAgent,
  rejection,
  startFakeAgent,
  type TestPki,
} from "./fake-agent.ts";

describe("the rpc port with TLS", () => {
  let pki: TestPki;
  let fake: FakeAgent;
  let agent: TlsMaterial;

  before(async () => {
    pki = await createTestPki();
    fake = await startFakeAgent({ tls: await pki.issue(ROLES.agent) });
    agent = await pki.issue(ROLES.agent);
  });
  after(() => fake.close());

  it("lets in a client whose certificate its CA signed, with TLS 1.3", async () => {
    assert.equal(await handshake(fake, dialOptions(agent)), "TLSv1.3 HTTP/1.1 404 Not Found");
  });

  it("refuses a client without a certificate", async () => {
    const { ca } = agent;
    const anonymous = { ca, checkServerIdentity: () => undefined };
    assert.match(await handshake(fake, anonymous), /alert certificate required/);
  });

  it("refuses a client whose certificate another CA signed", async () => {
    const stranger = await (await createTestPki()).issue(ROLES.controller);
    const options = dialOptions({ ...stranger, ca: agent.ca });
    assert.match(await handshake(fake, options), /^TLSv1.3 (read ECONNRESET|closed)$/);
    const transport = createConnectTransport({ baseUrl: fake.url, httpVersion: "2", nodeOptions: options });
    const failure = await rejection(() => createClient(AgentService, transport).getNode({}));
    assert.notEqual(failure.code, Code.PermissionDenied);
  });

  it("refuses TLS 1.2", async () => {
    const options = { ...dialOptions(agent), minVersion: "TLSv1.2", maxVersion: "TLSv1.2" } as const;
    assert.match(await handshake(fake, options), /^null .*alert protocol version/);
  });

  it("does not answer plaintext", async () => {
    const failure = await fetch(`http://127.0.0.1:${fake.server.port}/`).catch((error: unknown) => error);
    assert.ok(failure instanceof TypeError);
  });

  it("knows the role of a resumed session", async () => {
    const options = {
      ...dialOptions(agent),
      host: "127.0.0.1",
      port: fake.server.port,
      ALPNProtocols: ["http/1.1"],
    };
    const first = tls.connect(options);
    const [session] = await once(first, "session");
    first.destroy();
    const second = tls.connect({ ...options, session: Buffer.from(session) });
    await once(second, "secureConnect");
    assert.ok(second.isSessionReused());
    const path = "/tote.agent.v1.AgentService/GetNode";
    second.write(
      `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}`,
    );
    const [answer] = await once(second, "data");
    second.destroy();
    assert.match(String(answer), /403 Forbidden[^]*tote-agent may not call GetNode/);
  });

  it("uses a renewed certificate for new connections while running streams go on", async () => {
    for (const httpVersion of ["1.1", "2"] as const) {
      const options = { baseUrl: fake.url, httpVersion, nodeOptions: dialOptions(agent) };
      const stop = new AbortController();
      const client = createClient(AgentService, createConnectTransport(options));
      const call = client.exportBlob({ digest: "slow", offset: 10_000n }, { signal: stop.signal });
      const stream = call[Symbol.asyncIterator]();
      await stream.next();
      const old = await serialOf(fake, agent);

      fake.server.updateTls(await pki.issue(ROLES.agent));
      assert.notEqual(await serialOf(fake, agent), old);
      for (let index = 0; index < 10; index += 1) {
        const { value } = await stream.next();
        assert.equal(value?.data.byteLength, 1024);
      }
      stop.abort();
      await rejection(() => stream.next());
    }
  });

  it("trusts only the new CA once that has changed, also for sessions that began under the old one", async () => {
    const other = await createTestPki();
    const moving = await startFakeAgent({ tls: agent });
    try {
      const options = { ...dialOptions(agent), host: "127.0.0.1", port: moving.server.port };
      const first = tls.connect(options);
      const [session] = await once(first, "session");
      first.destroy();

      moving.server.updateTls({ ...agent, ca: other.ca.cert });
      const second = tls.connect({ ...options, session: Buffer.from(session) });
      await once(second, "secureConnect");
      assert.equal(second.isSessionReused(), false);
      await once(second, "close");
    } finally {
      await moving.close();
    }
  });

  it("keeps the old certificate when the new one does not parse", async () => {
    const old = await serialOf(fake, agent);
    assert.throws(() => fake.server.updateTls({ ...agent, key: "no key" }));
    assert.equal(await serialOf(fake, agent), old);
  });
});

/** Connects, sends a request and says what came of it: only then has TLS 1.3 told what the server thinks of us. */
async function handshake({ server }: FakeAgent, options: tls.ConnectionOptions): Promise<string> {
  const socket = tls.connect({ ...options, host: "127.0.0.1", port: server.port });
  let end = "closed";
  let protocol: string | null = null;
  socket.on("secureConnect", () => (protocol = socket.getProtocol()));
  socket.on("data", (chunk) => ([end = ""] = String(chunk).split("\r\n")));
  socket.on("error", (error) => (end = error.message));
  socket.write("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
  await new Promise((resolve) => socket.once("close", resolve));
  return `${protocol} ${end}`;
}

async function serialOf(fake: FakeAgent, material: TlsMaterial): Promise<string> {
  const socket = tls.connect({ ...dialOptions(material), host: "127.0.0.1", port: fake.server.port });
  await once(socket, "secureConnect");
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
}
