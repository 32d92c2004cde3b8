import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import tls from "node:tls";

import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";

import { issueCertificate } from "../../lib/certs.ts";
import { ROLES } from "../../lib/roles.ts";
import { clientTlsOptions, type TlsMaterial } from "../../lib/tls.ts";
import { Health } from "../../proto/gen/grpc/health/v1/health_pb.ts";
import { createPki } from "../harness/pki.ts";
import { startSharedRig, type Rig } from "../harness/rig.ts";
import { waitFor } from "../harness/wait.ts";

const HOUR_MS = 60 * 60_000;
/** how a client learns that its certificate is not taken: by an alert, or by the end of the connection */
const REFUSED = /^(?:closed|ECONNRESET|ERR_SSL_.*ALERT_.*)$/;
const PATH = "/tote.agent.v1.AgentService/GetNode";

describe("who gets past the agent's TLS", () => {
  let rig: Rig;
  before(async () => {
    rig = await startSharedRig({ a: {} });
  });
  after(() => rig.cleanup.run());

  /** Calls GetNode over a connection of its own: "TLSv1.3 200", or how the connection ended without an answer. */
  async function knock(options: tls.ConnectionOptions): Promise<string> {
    const { ip, port } = rig.node("a").agent;
    const { ca } = rig.pki;
    const socket = tls.connect({
      ca: ca.cert,
      checkServerIdentity: () => undefined,
      ...options,
      host: ip,
      port,
      ALPNProtocols: ["http/1.1"],
    });
    // in TLS 1.3 the server judges a certificate when the client has finished: it says so instead of an answer
    socket.once("secureConnect", () => {
      const head = `POST ${PATH} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 2`;
      socket.write(`${head}\r\nconnection: close\r\n\r\n{}`);
    });
    const { promise, resolve } = Promise.withResolvers<string>();
    socket.once("data", (answer) => resolve(`${socket.getProtocol()} ${String(answer).split(" ")[1]}`));
    socket.once("error", (error) => resolve("code" in error ? String(error.code) : String(error)));
    socket.once("close", () => resolve("closed"));
    try {
      return await promise;
    } finally {
      socket.destroy();
    }
  }

  async function identity(material: TlsMaterial | Promise<TlsMaterial>): Promise<tls.ConnectionOptions> {
    const { cert, key } = await material;
    return { cert, key };
  }

  test("a certificate of our CA with one role gets in", async () => {
    assert.equal(await knock(await identity(rig.pki.role(ROLES.operator))), "TLSv1.3 200");
  });

  test("no certificate: refused in the handshake", async () => {
    assert.match(await knock({}), REFUSED);
  });

  test("a certificate of another CA: refused in the handshake", async () => {
    const stranger = await createPki("tote test CA");
    assert.match(await knock(await identity(stranger.role(ROLES.controller))), REFUSED);
  });

  test("a certificate that signed itself: refused in the handshake", async () => {
    const { ca } = await createPki(ROLES.controller);
    assert.match(await knock({ cert: ca.cert, key: ca.key }), REFUSED);
  });

  test("an expired certificate: refused in the handshake", async () => {
    const expired = rig.pki.issue([ROLES.controller], {
      notBefore: Date.now() - 2 * HOUR_MS,
      notAfter: Date.now() - 1000,
    });
    assert.match(await knock(await identity(expired)), REFUSED);
    const told = /"level":"warn".*"client certificate refused","reason":"CERT_HAS_EXPIRED"/;
    await waitFor("the reason in the agent's log", () => told.test(rig.node("a").agent.logs()));
  });

  test("a certificate that is not valid yet: refused in the handshake", async () => {
    const early = rig.pki.issue([ROLES.controller], {
      notBefore: Date.now() + HOUR_MS,
      notAfter: Date.now() + 2 * HOUR_MS,
    });
    assert.match(await knock(await identity(early)), REFUSED);
  });

  test("an agent's certificate that vouches for a controller: refused in the handshake", async () => {
    const agent = await rig.pki.role(ROLES.agent);
    const validity = { notBefore: Date.now() - HOUR_MS, notAfter: Date.now() + HOUR_MS };
    const forged = await issueCertificate(agent, { ...validity, dnsNames: [ROLES.controller] });
    for (const cert of [forged.cert, forged.cert + agent.cert]) {
      assert.match(await knock({ cert, key: forged.key }), REFUSED);
    }
  });

  test("TLS 1.2: refused in the handshake", async () => {
    const role = await identity(rig.pki.role(ROLES.operator));
    assert.equal(
      await knock({ ...role, minVersion: "TLSv1.2", maxVersion: "TLSv1.2" }),
      "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION",
    );
  });

  test("plaintext: gets no answer", async () => {
    const { ip, port } = rig.node("a").agent;
    await assert.rejects(fetch(`http://${ip}:${port}${PATH}`, { method: "POST", body: "{}" }), TypeError);
  });

  const without: readonly (readonly [what: string, dnsNames: readonly string[], words: RegExp])[] = [
    [
      "two roles",
      [ROLES.operator, ROLES.controller],
      /certificate names 2 roles \(tote-operator, tote-controller\), must be exactly one/,
    ],
    [
      "no role",
      ["tote-agent.tote.svc", "TOTE-CONTROLLER"],
      /certificate names no role: it has "tote-agent.tote.svc"/,
    ],
    ["no name at all", [], /certificate names no role: it has no DNS names/],
  ];
  for (const [what, dnsNames, words] of without) {
    test(`a certificate with ${what}: permission_denied for everything, health and the archive included`, async () => {
      const material = await rig.pki.issue(dnsNames);
      const { url } = rig.node("a").agent;
      const options = clientTlsOptions(material, ROLES.agent);
      const transport = createConnectTransport({ baseUrl: url, httpVersion: "2", nodeOptions: options });
      const client = await rig.client("a", material);
      const denied = (error: unknown): boolean => {
        assert.ok(error instanceof ConnectError, String(error));
        assert.equal(error.code, Code.PermissionDenied);
        assert.match(error.rawMessage, words);
        return true;
      };
      await assert.rejects(client.getNode({}), denied);
      await assert.rejects(client.removeImage({ name: "x", digest: "y" }), denied);
      await assert.rejects(createClient(Health, transport).check({}), denied);
      assert.equal(await knock(await identity(material)), "TLSv1.3 403");
    });
  }

  test("after all of them the agent answers as before", async () => {
    const { agent, controller } = rig.node("a");
    assert.equal((await controller.getNode({})).nodeName, "a");
    assert.equal((await fetch(`${agent.metricsUrl}/readyz`)).status, 200);
  });
});
