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
import { startSharedRig, type Rig } from "../harness/rig.ts";
import { failureOf, type ImportFailed } from "../harness/running-import.ts";
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
  let failure: ImportFailed;
  let sentByA: number;
  const impostors = new Map<string, Impostor>();

  before(async () => {
    rig = await startSharedRig({ a: {}, b: { agent: { env: PROXIES } } });
    moved = await uniqueImage("impostors", { layers: [100_000] });
    await loadImage(rig.node("a").containerd, moved.image, { names: [moved.name] });
    for (const [name, material] of [
      ["other-role", await rig.pki.role(ROLES.controller)],
      ["two-roles", await rig.pki.issue([ROLES.agent, ROLES.operator])],
      ["other-ca", await (await createPki()).role(ROLES.agent)],
      ["redirects", await rig.pki.role(ROLES.agent)],
    ] as const) {
      impostors.set(name, await startImpostor(material));
    }
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
    const port = await listen(rig.cleanup, server, rig.network.hostIp);
    return { endpoint: `https://${rig.network.hostIp}:${port}`, requests };
  }

  test("an import from impostors alone fails, may be tried again, and leaves nothing once it is cancelled", async () => {
    const b = rig.node("b");
    const unchanged = await stateOf(b);
    const sources = [...impostors].map(([node, { endpoint }]) => ({ node, endpoint }));
    failure = await failureOf(rig.import({ image: moved.image, names: [moved.name], target: "b", sources }));
    assert.equal(failure.retryable, true);
    assert.equal(failure.bytesResumable, 0);
    sentByA = await bytesSent(rig.node("a").agent);

    const order = { image: moved.image, names: [moved.name], target: "b", sources: ["a"] };
    const grants = createGrantMaker(rig, order);
    const grant = await grants.sign(await grants.importClaims());
    await b.controller.cancelImport({ digest: moved.image.descriptor.digest, grant });
    await assertUnchanged(b, unchanged);
  });

  for (const [name, words] of [
    ["other-role", /peer is tote-controller, expected tote-agent/],
    ["two-roles", /certificate names 2 roles \(tote-agent, tote-operator\)/],
    ["other-ca", /^cannot read from https:\S+: .*certificate/],
  ] as const) {
    test(`the impostor "${name}" learns nothing, not even the grant`, () => {
      assert.match(failure.sources.get(name) ?? "", words);
      assert.deepEqual(impostors.get(name)?.requests, []);
    });
  }

  test("a redirect is not followed, not even to an agent", () => {
    assert.match(failure.sources.get("redirects") ?? "", /answered with HTTP status 307/);
    assert.ok((impostors.get("redirects")?.requests.length ?? 0) > 0);
    assert.equal(sentByA, 0, "bytes that node a has sent");
  });

  test("a proxy that the environment names is not used", async () => {
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
