import assert from "node:assert/strict";
import https from "node:https";
import { it } from "node:test";

import { ROLES } from "../../lib/roles.ts";
import { collect, createTestPki, dialOptions, eventually, startFakeAgent } from "../rpc/fake-agent.ts";
import { openBlobStream } from "./blob-stream.ts";

// Deno's https.Agent keeps no connections: there each blob has one of its own
it("a kept connection is used again, and another one when that was closed meanwhile", async () => {
  const pki = await createTestPki();
  const source = await startFakeAgent({ tls: await pki.issue(ROLES.agent) });
  const agent = new https.Agent({ keepAlive: true, ...dialOptions(await pki.issue(ROLES.agent)) });
  const { signal } = new AbortController();
  const read = () =>
    collect(
      openBlobStream({
        endpoint: source.url,
        digest: "count",
        offset: 2,
        imageDigest: "",
        grant: "",
        signal,
        agent,
      }),
    );
  await read();
  await read();
  assert.equal(source.server.connections(), 1);
  await eventually(() => Object.keys(agent.freeSockets).length === 1, "the connection is free again");
  const [kept] = Object.values(agent.freeSockets).flat();
  assert.ok(kept !== undefined);
  // the connection breaks in the same moment that it is taken for the next blob
  const again = read();
  kept.destroy(Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" }));
  assert.equal((await again).length, 3);
  agent.destroy();
  await eventually(() => source.server.connections() === 0, "no connection is left");
  await source.close();
});
