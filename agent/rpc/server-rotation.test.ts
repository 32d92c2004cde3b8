import assert from "node:assert/strict";
import https from "node:https";
import { after, before, describe, it } from "node:test";

import { createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";

import { ROLES } from "../../lib/roles.ts";
import type { TlsMaterial } from "../../lib/tls.ts";
import { AgentService } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import {
  collect,
  createTestPki,
  dialOptions,
  eventually,
  type FakeAgent,
  startFakeAgent,
  type TestPki,
} from "./fake-agent.ts";

for (const httpVersion of ["1.1", "2"] as const) {
  describe(`a kept HTTP/${httpVersion} connection when the certificates change`, () => {
    let pki: TestPki;
    let material: TlsMaterial;
    let fake: FakeAgent;
    let keeper: https.Agent;
    let transport: Transport;

    before(async () => {
      pki = await createTestPki();
      material = await pki.issue(ROLES.agent);
      fake = await startFakeAgent({ tls: material });
      keeper = new https.Agent({ keepAlive: true });
      const options = dialOptions(await pki.issue(ROLES.controller));
      const nodeOptions = httpVersion === "1.1" ? { ...options, agent: keeper } : options;
      transport = createConnectTransport({ baseUrl: fake.url, httpVersion, nodeOptions });
    });
    after(async () => {
      keeper.destroy();
      await fake.close();
    });

    const node = () => createClient(AgentService, transport).getNode({});
    /** Runs a stream of 100 messages in the middle of which something happens; answers the bytes it brought. */
    async function streamDuring(event: () => void): Promise<number> {
      const messages = createClient(
        AgentService,
        createConnectTransport({
          baseUrl: fake.url,
          httpVersion,
          nodeOptions: dialOptions(await pki.issue(ROLES.agent)),
        }),
      ).exportBlob({ digest: "slow", offset: 20n });
      const stream = messages[Symbol.asyncIterator]();
      await stream.next();
      event();
      const rest = await collect({ [Symbol.asyncIterator]: () => stream });
      return rest.reduce((sum, { data }) => sum + data.byteLength, 0);
    }

    it("stays when the CA is the same", async () => {
      await node();
      assert.equal(fake.server.connections(), 1);
      fake.server.updateTls({ ...(await pki.issue(ROLES.agent)), ca: material.ca });
      await node();
      assert.equal(fake.server.connections(), 1);
    });

    it("closes when it is idle and the CA has changed, while a running stream on another goes on to its end", async () => {
      const next = await createTestPki();
      await node();
      const bytes = await streamDuring(() => fake.server.updateTls({ ...material, ca: next.ca.cert }));
      assert.equal(bytes, 20 * 1024);
      await eventually(() => fake.server.connections() === 0, "all connections closed");
    });

    it("is made anew, and refused, when it was of the former CA", async () => {
      await assert.rejects(node());
    });
  });
}
