import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { connect, createServer } from "node:tls";
import type { ConnectionOptions, TLSSocket } from "node:tls";

import { createAuthority, issueCertificate } from "./certs.ts";
import type { CertificateOptions, Identity } from "./certs.ts";
import { describeError } from "./errors.ts";
import type { Role } from "./roles.ts";
import { clientTlsOptions, loadTlsMaterial, roleOfPeer, serverTlsOptions, TlsMaterialError } from "./tls.ts";
import type { TlsFiles, TlsMaterial } from "./tls.ts";

const VALIDITY = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 3_600_000 };
const NOT_LET_IN = { role: "", answer: "" };
const SIGNAL = new AbortController().signal;

let ca: Identity;
let folder: string;

before(async () => {
  ca = await createAuthority({ commonName: "tote CA", ...VALIDITY });
  folder = await mkdtemp(join(tmpdir(), "tote-tls-"));
});

after(async () => {
  await rm(folder, { recursive: true });
});

async function material(
  dnsNames: readonly string[],
  options: Partial<CertificateOptions> = {},
): Promise<TlsMaterial> {
  return { ...(await issueCertificate(ca, { dnsNames, ...VALIDITY, ...options })), ca: ca.cert };
}

async function writeFiles(contents: Partial<TlsMaterial>): Promise<TlsFiles> {
  const good = await material(["tote-agent"]);
  const paths = { cert: join(folder, "tls.crt"), key: join(folder, "tls.key"), ca: join(folder, "ca.crt") };
  await writeFile(paths.cert, contents.cert ?? good.cert);
  await writeFile(paths.key, contents.key ?? (contents.cert === undefined ? good.key : ""));
  await writeFile(paths.ca, contents.ca ?? good.ca);
  return paths;
}

/** Dials 127.0.0.1 once: what the server took the client for, and the word it answered. */
async function dial(
  server: TlsMaterial,
  client: ConnectionOptions,
): Promise<{ role: string; answer: string }> {
  let role = "";
  const listener = createServer(serverTlsOptions(server), (socket: TLSSocket) => {
    try {
      role = roleOfPeer(socket);
    } catch (error) {
      role = describeError(error);
    }
    socket.on("error", () => socket.destroy());
    socket.end("hello");
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  try {
    const bound = listener.address();
    assert.ok(bound !== null && typeof bound === "object");
    const { port } = bound;
    const socket = connect({ host: "127.0.0.1", port, ...client });
    let answer = "";
    for await (const chunk of socket) answer += String(chunk);
    return { role, answer };
  } finally {
    listener.close();
  }
}

describe("server and client options", () => {
  it("let an agent dial another agent by address, each seeing the other's role", async () => {
    const agent = await material(["tote-agent"]);
    assert.deepEqual(await dial(agent, clientTlsOptions(agent, "tote-agent")), {
      role: "tote-agent",
      answer: "hello",
    });
  });

  it("tell the server who calls", async () => {
    const controller = await material(["tote-controller"]);
    const result = await dial(await material(["tote-agent"]), clientTlsOptions(controller, "tote-agent"));
    assert.equal(result.role, "tote-controller");
  });

  const wrongServers: readonly (readonly [string, readonly string[], Role, RegExp])[] = [
    ["another role", ["tote-operator"], "tote-agent", /peer is tote-operator, expected tote-agent/],
    ["two roles, one of them right", ["tote-agent", "tote-controller"], "tote-agent", /names 2 roles/],
    ["no role, but the address that was dialled", [], "tote-agent", /names no role/],
  ];
  for (const [what, dnsNames, expected, message] of wrongServers) {
    it(`make the client refuse a server with ${what}`, async () => {
      const client = clientTlsOptions(await material(["tote-controller"]), expected);
      const server = await material(dnsNames, { ips: ["127.0.0.1"] });
      await assert.rejects(dial(server, client), message);
    });
  }

  it("make the client refuse a server of another CA", async () => {
    const stranger = await createAuthority({ commonName: "tote CA", ...VALIDITY });
    const agent = await material(["tote-agent"]);
    const client = { ...clientTlsOptions(agent, "tote-agent"), ca: stranger.cert };
    await assert.rejects(dial(agent, client));
  });

  it("make the server refuse a client of another CA, one that expired, and one without certificate", async () => {
    const agent = await material(["tote-agent"]);
    const stranger = await createAuthority({ commonName: "tote CA", ...VALIDITY });
    const forged = await issueCertificate(stranger, { dnsNames: ["tote-controller"], ...VALIDITY });
    const expired = await material(["tote-controller"], { notAfter: Date.now() - 1000 });
    const options = clientTlsOptions(agent, "tote-agent");
    const { cert: _cert, key: _key, ...anonymous } = options;
    // in TLS 1.3 the client is done before the server has judged it: it may see an error or just an end
    for (const client of [{ ...options, ...forged }, { ...options, ...expired, ca: ca.cert }, anonymous]) {
      const result = await dial(agent, client).catch(() => NOT_LET_IN);
      assert.deepEqual(result, NOT_LET_IN);
    }
  });

  it("make the server refuse TLS 1.2", async () => {
    const agent = await material(["tote-agent"]);
    const old = {
      ...clientTlsOptions(agent, "tote-agent"),
      minVersion: "TLSv1.2",
      maxVersion: "TLSv1.2",
    } as const;
    await assert.rejects(dial(agent, old));
  });
});

describe("roleOfPeer", () => {
  it("gives no role to a peer that TLS did not verify", () => {
    const socket = {
      authorized: false,
      getPeerCertificate: () => assert.fail("must not be asked"),
    };
    assert.throws(() => roleOfPeer(socket), /no certificate that our CA signed/);
  });
});

describe("loadTlsMaterial", () => {
  it("gives what the files hold, a bundle of CAs included", async () => {
    const second = await createAuthority({ commonName: "second", ...VALIDITY });
    const expected = { ...(await material(["tote-agent"])), ca: ca.cert + second.cert };
    assert.deepEqual(await loadTlsMaterial(await writeFiles(expected), SIGNAL), expected);
  });

  const { cert: other, key: otherKey } = { cert: "nothing", key: "nothing" };
  const refused: readonly (readonly [string, () => Promise<Partial<TlsMaterial>>, RegExp])[] = [
    ["a certificate that is none", async () => ({ cert: other }), /tls\.crt holds no PEM certificate/],
    ["a key that is none", async () => ({ key: otherKey }), /tls\.key holds no private key/],
    ["a CA that is none", async () => ({ ca: "" }), /ca\.crt holds no PEM certificate/],
    [
      "the key of another",
      async () => ({ key: (await material(["x"])).key }),
      /tls\.key does not belong to .*tls\.crt/,
    ],
    [
      "a leaf as CA",
      async () => ({ ca: (await material(["x"])).cert }),
      /ca\.crt holds a certificate that is not a CA/,
    ],
    [
      "a damaged certificate in a CA bundle",
      async () => ({ ca: `${ca.cert}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n` }),
      /certificate 2 of 2 in .*ca\.crt cannot be parsed/,
    ],
  ];
  for (const [what, contents, message] of refused) {
    it(`refuses ${what}, naming the file`, async () => {
      const paths = await writeFiles(await contents());
      await assert.rejects(loadTlsMaterial(paths, SIGNAL), (error) => {
        assert.ok(error instanceof TlsMaterialError);
        assert.match(describeError(error), message);
        return true;
      });
    });
  }

  it("names a file that is missing and its flag", async () => {
    const paths = { ...(await writeFiles({})), key: join(folder, "absent.key") };
    await assert.rejects(
      loadTlsMaterial(paths, SIGNAL),
      /cannot read private key \(--tls-key\) .*absent\.key: there is no such file/,
    );
  });
});
