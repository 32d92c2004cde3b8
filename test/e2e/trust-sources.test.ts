import assert from "node:assert/strict";
import { once } from "node:events";
import type http from "node:http";
import https from "node:https";
import { after, before, describe, test } from "node:test";

import { ROLES } from "../../lib/roles.ts";
import { serverTlsOptions, type TlsMaterial } from "../../lib/tls.ts";
import { bytesSent } from "../harness/agent-metrics.ts";
import type { Cleanup } from "../harness/cleanup.ts";
import { loadImage } from "../harness/load-image.ts";
import { assertUnchanged, stateOf } from "../harness/node-state.ts";
import { createPki } from "../harness/pki.ts";
import { startSharedRig, type Rig, type RigImport } from "../harness/rig.ts";
import { failureOf } from "../harness/running-import.ts";
import { uniqueImage, type UniqueImage } from "../harness/unique-image.ts";
import { createGrantMaker } from "./grants.ts";
import { assertSalvaged } from "./salvaged.ts";

/** A server that is not what it should be. */
interface Impostor {
  readonly endpoint: string;
  /** requests that reached it, headers and all */
  readonly requests: readonly http.IncomingMessage[];
}

/** Proxies that whoever heeds the environment would use, in vain: nothing listens on that port. */
const PROXIES = {
  ...Object.fromEntries(
    ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"].map((name) => [
      name,
      "http://127.0.0.1:9",
    ]),
  ),
  NO_PROXY: "",
  NODE_USE_ENV_PROXY: "1",
};

describe("an agent reads from nobody but the agents that its grant names", () => {
  let rig: Rig;
  let moved: UniqueImage;
  before(async () => {
    rig = await startSharedRig({ a: {}, b: { agent: { env: PROXIES } } });
    moved = await uniqueImage("impostors", { layers: [100_000] });
    await loadImage(rig.node("a").containerd, moved.image, { names: [moved.name] });
  });
  after(() => rig.cleanup.run());

  /** Serves on the nodes' network with any certificate, and answers every request with a redirect to the real agent. */
  async function startImpostor(material: TlsMaterial): Promise<Impostor> {
    const requests: http.IncomingMessage[] = [];
    const options = { ...serverTlsOptions(material), requestCert: false, rejectUnauthorized: false };
    const server = https.createServer(options, (request, response) => {
      requests.push(request);
      response.writeHead(307, { location: `${rig.node("a").agent.url}${request.url}` }).end();
    });
    return {
      endpoint: `https://${rig.network.hostIp}:${await listen(rig.cleanup, server, rig.network.hostIp)}`,
      requests,
    };
  }

  /** Imports from the impostor alone; checks that it fails, may be tried again, and that cancelling leaves nothing. */
  async function importFrom({
    endpoint,
  }: Impostor): Promise<{ readonly message: string; readonly fromA: number }> {
    const unchanged = await stateOf(rig.node("b"));
    const sent = await bytesSent(rig.node("a").agent);
    const sources = [{ node: "a", endpoint }];
    const order: RigImport = { image: moved.image, names: [moved.name], target: "b", sources };
    const failure = await failureOf(rig.import(order));
    const grants = createGrantMaker(rig, { ...order, sources: ["a"] });
    const grant = await grants.sign(await grants.importClaims());
    await rig.node("b").controller.cancelImport({ digest: moved.image.descriptor.digest, grant });
    await assertUnchanged(rig.node("b"), unchanged);
    return { message: failure.message, fromA: (await bytesSent(rig.node("a").agent)) - sent };
  }

  test("not from one with another role, which learns of no grant", async () => {
    const impostor = await startImpostor(await rig.pki.role(ROLES.controller));
    const { message } = await importFrom(impostor);
    assert.match(message, /peer is tote-controller, expected tote-agent/);
    assert.deepEqual(impostor.requests, []);
  });

  test("not from one with two roles", async () => {
    const impostor = await startImpostor(await rig.pki.issue([ROLES.agent, ROLES.operator]));
    const { message } = await importFrom(impostor);
    assert.match(message, /certificate names 2 roles \(tote-agent, tote-operator\)/);
    assert.deepEqual(impostor.requests, []);
  });

  test("not from one of another CA", async () => {
    const impostor = await startImpostor(await (await createPki()).role(ROLES.agent));
    const { message } = await importFrom(impostor);
    assert.match(message, /no source left for sha256:\w+: a: cannot read from https:\S+: .*certificate/);
    assert.deepEqual(impostor.requests, []);
  });

  test("and follows no redirect, not even to an agent", async () => {
    const impostor = await startImpostor(await rig.pki.role(ROLES.agent));
    const { message, fromA } = await importFrom(impostor);
    assert.match(message, /answered with HTTP status 307/);
    assert.ok(impostor.requests.length > 0);
    assert.equal(fromA, 0, "bytes from node a");
  });

  test("and uses no proxy from the environment", async () => {
    const result = await rig.import({ image: moved.image, names: [moved.name], target: "b" });
    await assertSalvaged(rig.node("b"), moved, result);
  });
});

async function listen(cleanup: Cleanup, server: https.Server, host: string): Promise<number> {
  server.listen(0, host);
  await once(server, "listening");
  cleanup.add({
    name: "close an impostor",
    async undo() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  });
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  return address.port;
}
