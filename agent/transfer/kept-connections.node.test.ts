import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { ROLES } from "../../lib/roles.ts";
import type { TlsMaterial } from "../../lib/tls.ts";
import {
  collect,
  createTestPki,
  eventually,
  type FakeAgent,
  startFakeAgent,
  type TestPki,
} from "../rpc/fake-agent.ts";
import { openBlobStream } from "./blob-stream.ts";
import { BufferPool } from "./buffer-pool.ts";
import { agentDialOptions, PeerConnections } from "./peer-connections.ts";

const buffers = new BufferPool({ minBytes: 1, maxBytes: 2_000_000, keep: 4 });

function read(connections: PeerConnections, endpoint: string) {
  const { signal } = new AbortController();
  const request = { endpoint, digest: "count", offset: 3, imageDigest: "", grant: "", signal };
  return openBlobStream({ ...request, connections, buffers });
}

// under Deno a server keeps no connection whose socket was handed to it
describe("connections that are kept for the next blob", () => {
  let pki: TestPki;
  let source: FakeAgent;
  let material: TlsMaterial | undefined;
  let connections: PeerConnections;
  before(async () => {
    pki = await createTestPki();
    source = await startFakeAgent({ tls: await pki.issue(ROLES.agent) });
    material = await pki.issue(ROLES.agent);
    connections = new PeerConnections(agentDialOptions(() => material));
  });
  after(async () => {
    connections.close();
    await source.close();
  });

  it("are used again, and not shared", async () => {
    await collect(read(connections, source.url));
    await collect(read(connections, source.url));
    assert.equal(source.server.connections(), 1);
    const both = [read(connections, source.url), read(connections, source.url)];
    for (const stream of both) await stream.next();
    assert.equal(source.server.connections(), 2);
    await Promise.all(both.map(collect));
  });

  it("are closed once the certificate is another one, after what runs on them has ended", async () => {
    await collect(read(connections, source.url));
    const running = read(connections, source.url);
    await running.next();
    material = await pki.issue(ROLES.agent);
    await collect(running);
    await eventually(() => source.server.connections() === 0, "the former one is closed");
    await collect(read(connections, source.url));
    assert.equal(source.server.connections(), 1);
  });
});
