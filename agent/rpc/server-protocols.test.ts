import assert from "node:assert/strict";
import http2 from "node:http2";
import { after, before, describe, it } from "node:test";

import { Code, createClient } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";

import { ROLES } from "../../lib/roles.ts";
import { AgentService } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import {
  collect,
  createTestPki,
  dialOptions,
  type FakeAgent,
  rejection,
  startFakeAgent,
} from "./fake-agent.ts";

describe("the rpc port speaks every protocol", () => {
  let plain: FakeAgent;
  let secure: FakeAgent;
  let transports: ReturnType<typeof transportsOf>;
  let operator: ReturnType<typeof dialOptions>;

  before(async () => {
    const pki = await createTestPki();
    plain = await startFakeAgent();
    secure = await startFakeAgent({ tls: await pki.issue(ROLES.agent) });
    operator = dialOptions(await pki.issue(ROLES.operator));
    transports = transportsOf(plain.url, secure.url, dialOptions(await pki.issue(ROLES.agent)));
  });
  after(async () => {
    await Promise.all([plain.close(), secure.close()]);
  });

  describe("connect-node", () => {
    it("streams small and large messages whole and in order", async () => {
      for (const [name, transport] of transports) {
        const client = createClient(AgentService, transport);
        for (const [digest, bytes] of [
          ["count", 1024],
          ["large", 1024 * 1024],
        ] as const) {
          const messages = await collect(client.exportBlob({ digest, offset: 3n }));
          assert.deepEqual(
            messages.map(({ size, data }) => [Number(size), data.byteLength, data.at(-1)]),
            [
              [3 * bytes, 0, undefined],
              [0, bytes, 0],
              [0, bytes, 1],
              [0, bytes, 2],
            ],
            name,
          );
        }
      }
    });

    it("gets errors before and within a stream with code and message", async () => {
      for (const [name, transport] of transports) {
        const client = createClient(AgentService, transport);
        let received = 0;
        const failure = await rejection(async () => {
          for await (const { data } of client.exportBlob({ digest: "late", offset: 5n }))
            received += data.byteLength;
        });
        assert.equal(received, 2048, name);
        assert.equal(failure.code, Code.DataLoss, name);
        assert.equal(failure.rawMessage, "sha256:a is not sha256:b", name);
      }
      const client = createClient(
        AgentService,
        createConnectTransport({ baseUrl: plain.url, httpVersion: "1.1" }),
      );
      const missing = await rejection(() => client.resolveImage({ reference: "nginx" }));
      assert.equal(missing.code, Code.NotFound);
      assert.equal(missing.rawMessage, 'no image "nginx" on this node');
    });

    it("is told no more than internal error about a fault of a handler", async () => {
      for (const [name, transport] of transports.slice(0, 6)) {
        const failure = await rejection(() =>
          createClient(AgentService, transport).resolveImage({ reference: "broken" }),
        );
        assert.equal(failure.message, "[internal] internal error", name);
      }
    });

    it("uploads a stream, and learns at once when it is refused", async () => {
      for (const [name, transport] of transports.slice(0, 6)) {
        const client = createClient(AgentService, transport);
        const stored = await client.importBlob(upload("sha256:a", 40));
        assert.equal(stored.offset, 40n * 65_536n, name);
        const failure = await rejection(() => client.importBlob(upload("refuse", 10_000)));
        assert.equal(failure.code, Code.PermissionDenied, name);
        assert.equal(failure.rawMessage, "no such grant", name);
      }
    });

    it("gets resource_exhausted for a message over the limit", async () => {
      const client = createClient(
        AgentService,
        createConnectTransport({ baseUrl: plain.url, httpVersion: "2" }),
      );
      const failure = await rejection(() => client.resolveImage({ reference: "x".repeat(5 * 1024 * 1024) }));
      assert.equal(failure.code, Code.ResourceExhausted);
      assert.match(failure.rawMessage, /4194304/);
    });

    it("gets answers uncompressed even if it would take others", async () => {
      const client = createClient(
        AgentService,
        createConnectTransport({ baseUrl: plain.url, httpVersion: "1.1" }),
      );
      let encoding: string | null = "not seen";
      const stream = client.exportBlob(
        { digest: "large", offset: 1n },
        { onHeader: (header) => (encoding = header.get("connect-content-encoding")) },
      );
      await collect(stream);
      assert.equal(encoding, null);
    });

    it("may not ask for a deadline beyond the limit", async () => {
      const client = createClient(
        AgentService,
        createConnectTransport({ baseUrl: plain.url, httpVersion: "1.1" }),
      );
      const failure = await rejection(() => client.getNode({}, { timeoutMs: 100 * 60 * 60_000 }));
      assert.equal(failure.code, Code.InvalidArgument);
    });

    it("calls as the operator that its certificate names", async () => {
      const transport = createConnectTransport({
        baseUrl: secure.url,
        httpVersion: "2",
        nodeOptions: operator,
      });
      assert.equal((await createClient(AgentService, transport).getNode({})).nodeName, "node-a");
    });
  });

  it("offers HTTP/2 clients large windows and a bounded number of streams", async () => {
    const session = http2.connect(plain.url);
    try {
      const settings = await new Promise<http2.Settings>((resolve) =>
        session.once("remoteSettings", resolve),
      );
      assert.equal(settings.initialWindowSize, 16 * 1024 * 1024);
      assert.equal(settings.maxConcurrentStreams, 256);
      assert.equal(settings.maxHeaderListSize, 64 * 1024);
      await new Promise((resolve) => session.ping(resolve));
      assert.equal(session.state.remoteWindowSize, 16 * 1024 * 1024);
    } finally {
      session.destroy();
    }
  });
});

async function* upload(digest: string, pieces: number) {
  yield { part: { case: "header", value: { digest } } } as const;
  for (let index = 0; index < pieces; index += 1) {
    yield { part: { case: "data", value: new Uint8Array(65_536) } } as const;
  }
}

/** Every way in which connect-node can call. */
function transportsOf(plain: string, secure: string, nodeOptions: ReturnType<typeof dialOptions>) {
  return [
    ["connect over HTTP/1.1", createConnectTransport({ baseUrl: plain, httpVersion: "1.1" })],
    ["connect over HTTP/2", createConnectTransport({ baseUrl: plain, httpVersion: "2" })],
    [
      "connect with JSON",
      createConnectTransport({ baseUrl: plain, httpVersion: "1.1", useBinaryFormat: false }),
    ],
    ["gRPC", createGrpcTransport({ baseUrl: plain })],
    ["gRPC-Web over HTTP/1.1", createGrpcWebTransport({ baseUrl: plain, httpVersion: "1.1" })],
    ["gRPC-Web over HTTP/2", createGrpcWebTransport({ baseUrl: plain, httpVersion: "2" })],
    [
      "connect over HTTP/1.1 and TLS",
      createConnectTransport({ baseUrl: secure, httpVersion: "1.1", nodeOptions }),
    ],
    [
      "connect over HTTP/2 and TLS",
      createConnectTransport({ baseUrl: secure, httpVersion: "2", nodeOptions }),
    ],
    ["gRPC over TLS", createGrpcTransport({ baseUrl: secure, nodeOptions })],
  ] as const;
}
