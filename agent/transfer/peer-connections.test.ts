import assert from "node:assert/strict";
import http from "node:http";
import https from "node:https";
import { test } from "node:test";

import { ROLES } from "../../lib/roles.ts";
import type { TlsMaterial } from "../../lib/tls.ts";
import { createPki } from "../../test/harness/pki.ts";
import { PeerConnections } from "./peer-connections.ts";

test("the pool stays as long as the certificate does, and a new certificate means a new pool", async () => {
  const pki = await createPki();
  let material: TlsMaterial | undefined = await pki.issue([ROLES.agent]);
  const peers = new PeerConnections(() => material);
  const first = peers.current();
  assert.ok(first instanceof https.Agent);
  assert.equal(peers.current(), first);
  material = await pki.issue([ROLES.agent]);
  assert.notEqual(peers.current(), first);
});

test("without TLS the pool is one for plain connections", () => {
  const peers = new PeerConnections(() => undefined);
  assert.ok(peers.current() instanceof http.Agent);
  assert.ok(!(peers.current() instanceof https.Agent));
});
