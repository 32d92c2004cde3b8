import assert from "node:assert/strict";
import { createHmac, createPrivateKey, sign as signBytes } from "node:crypto";
import type { X509Certificate } from "node:crypto";
import { before, describe, it } from "node:test";

import { createAuthority, issueCertificate } from "./certs.ts";
import type { CertificateOptions, Identity, KeyKind } from "./certs.ts";
import { GrantError } from "./grant-error.ts";
import type { GrantErrorCode } from "./grant-error.ts";
import type { GrantClaims } from "./grant-claims.ts";
import { signGrant, verifyGrant } from "./grant.ts";
import { signImportGrants } from "./grant-order.ts";
import { parseCertificates, parseLeafCertificate } from "./pem.ts";

const NOW = Date.UTC(2026, 5, 1, 12, 0, 0);
const SECOND = 1000;
const DAY = 86_400 * SECOND;
const VALIDITY = { notBefore: NOW - DAY, notAfter: NOW + DAY };
const DIGEST = `sha256:${"a".repeat(64)}`;
const BLOB = `sha256:${"b".repeat(64)}`;

const CLAIMS: GrantClaims = {
  op: "import",
  jti: "g-1",
  nbf: NOW / SECOND,
  exp: NOW / SECOND + 300,
  digest: DIGEST,
  target: { node: "node-b" },
  sources: [{ node: "node-a", endpoint: "https://10.0.0.7:9090" }],
  record: "shop/salvage-1",
  epoch: 3,
  names: ["docker.io/library/nginx:1.25"],
  max_bytes: 0,
  blobs: [],
  export_grant: "a.b.c",
};

let ca: Identity;
let cas: readonly X509Certificate[];
let controller: Identity;

before(async () => {
  ca = await createAuthority({ commonName: "tote CA", ...VALIDITY });
  cas = parseCertificates(ca.cert, "ca");
  controller = await issue({});
});

function issue(options: Partial<CertificateOptions>, issuer: Identity = ca): Promise<Identity> {
  return issueCertificate(issuer, { dnsNames: ["tote-controller"], ...VALIDITY, ...options });
}

function verify(token: string, now = NOW, trusted = cas): Promise<GrantClaims> {
  return verifyGrant({ token, cas: trusted, now });
}

async function assertRefused(
  code: GrantErrorCode,
  verification: Promise<unknown>,
  message?: RegExp,
): Promise<void> {
  await assert.rejects(verification, (error) => {
    assert.ok(error instanceof GrantError, String(error));
    assert.equal(error.code, code, error.message);
    if (message !== undefined) assert.match(error.message, message);
    assert.doesNotMatch(error.message, /eyJ/, "the message does not repeat the grant");
    return true;
  });
}

function base64url(value: unknown): string {
  return Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
}

function der(identity: Identity): string {
  return parseLeafCertificate(identity.cert, "cert").raw.toString("base64");
}

/** The bytes of a P-256 public key as they stand in its certificate. */
function pointOf(identity: Identity): Buffer {
  const { publicKey } = parseLeafCertificate(identity.cert, "cert");
  return publicKey.export({ type: "spki", format: "der" }).subarray(-65);
}

/** A token with any header and payload, signed with ES256 by a key of the test's choice. */
function forge(header: object, payload: unknown, key: string): string {
  const input = `${base64url(header)}.${base64url(payload)}`;
  const signature = signBytes("sha256", Buffer.from(input), {
    key: createPrivateKey(key),
    dsaEncoding: "ieee-p1363",
  });
  return `${input}.${signature.toString("base64url")}`;
}

function forgeWithChain(chain: readonly string[], signer: Identity, payload: unknown = CLAIMS): string {
  return forge({ alg: "ES256", x5c: chain }, payload, signer.key);
}

describe("verifyGrant", () => {
  it("gives back the claims of a good grant", async () => {
    assert.deepEqual(await verify(await signGrant(CLAIMS, controller)), CLAIMS);
  });

  it("drops claims it does not know", async () => {
    const token = forgeWithChain([der(controller)], controller, { ...CLAIMS, colour: "red" });
    assert.deepEqual(await verify(token), CLAIMS);
  });

  for (const [keyKind, alg] of [
    ["P-256", "ES256"],
    ["P-384", "ES384"],
    ["RSA-2048", "PS256"],
    ["Ed25519", "EdDSA"],
  ] as const satisfies readonly (readonly [KeyKind, string])[]) {
    it(`signs and verifies with ${keyKind} as ${alg}, whatever key the CA has`, async () => {
      const otherCa = await createAuthority({ commonName: "other kind", keyKind, ...VALIDITY });
      const signer = await issue({ keyKind }, otherCa);
      const token = await signGrant(CLAIMS, signer);
      assert.match(
        Buffer.from(token.split(".")[0] ?? "", "base64url").toString(),
        new RegExp(`"alg":"${alg}"`),
      );
      const trusted = [...cas, ...parseCertificates(otherCa.cert, "ca")];
      assert.deepEqual(await verify(token, NOW, trusted), CLAIMS);
    });
  }

  it("verifies RS256 as well", async () => {
    const signer = await issue({ keyKind: "RSA-2048" });
    const input = `${base64url({ alg: "RS256", x5c: [der(signer)] })}.${base64url(CLAIMS)}`;
    const signature = signBytes("sha256", Buffer.from(input), signer.key).toString("base64url");
    assert.deepEqual(await verify(`${input}.${signature}`), CLAIMS);
  });

  it("takes the certificate of the key when tls.crt holds a chain", async () => {
    const token = await signGrant(CLAIMS, { ...controller, cert: controller.cert + ca.cert });
    assert.deepEqual(await verify(token), CLAIMS);
  });

  it("takes SEC 1 keys as OpenSSL writes them", async () => {
    const key = createPrivateKey(controller.key).export({ type: "sec1", format: "pem" }).toString();
    assert.match(key, /BEGIN EC PRIVATE KEY/);
    assert.deepEqual(await verify(await signGrant(CLAIMS, { ...controller, key })), CLAIMS);
  });

  it("refuses to sign with a key that is not the certificate's", async () => {
    const other = await issue({});
    await assert.rejects(signGrant(CLAIMS, { cert: controller.cert, key: other.key }), /does not belong/);
  });
});

/** Verifies a good grant that many seconds after it begins. */
async function verifyLater(seconds: number, leewaySeconds?: number): Promise<GrantClaims> {
  const token = await signGrant(CLAIMS, controller);
  const leeway = leewaySeconds === undefined ? {} : { leewaySeconds };
  return verifyGrant({ token, cas, now: NOW + seconds * SECOND, ...leeway });
}

describe("verifyGrant and time", () => {
  it("works when clocks are 45 s apart, either way", async () => {
    assert.equal((await verifyLater(-45)).jti, "g-1");
    assert.equal((await verifyLater(300 + 45)).jti, "g-1");
  });

  it("allows 60 s and not more", async () => {
    assert.equal((await verifyLater(-60)).jti, "g-1");
    assert.equal((await verifyLater(359)).jti, "g-1");
    await assertRefused(
      "early",
      verifyLater(-61),
      /valid from 2026-06-01T12:00:00.000Z, here it is 2026-06-01T11:58:59/,
    );
    await assertRefused("expired", verifyLater(360), /expired at 2026-06-01T12:05:00.000Z/);
  });

  it("allows as much as it is told", async () => {
    await assertRefused("early", verifyLater(-1, 0));
    await assertRefused("expired", verifyLater(300, 0));
    assert.equal((await verifyLater(400, 120)).jti, "g-1");
  });

  it("refuses a grant that ends before it begins, and times out of any range", async () => {
    await assertRefused("malformed", verify(await signGrant({ ...CLAIMS, exp: CLAIMS.nbf }, controller)));
    const far = { ...CLAIMS, nbf: Number.MAX_SAFE_INTEGER - 1, exp: Number.MAX_SAFE_INTEGER };
    await assertRefused("early", verify(await signGrant(far, controller)));
  });
});

describe("verifyGrant and the signer's certificate", () => {
  it("refuses one of another CA, even of the same name", async () => {
    for (const commonName of ["stranger", "tote CA"]) {
      const stranger = await createAuthority({ commonName, ...VALIDITY });
      await assertRefused("wrong_ca", verify(await signGrant(CLAIMS, await issue({}, stranger))));
    }
  });

  it("refuses everything when no CA is trusted", async () => {
    await assertRefused("wrong_ca", verify(await signGrant(CLAIMS, controller), NOW, []));
  });

  for (const role of ["tote-agent", "tote-operator", "tote-relay"]) {
    it(`refuses the role ${role}`, async () => {
      const signer = await issue({ dnsNames: [role] });
      await assertRefused("wrong_role", verify(await signGrant(CLAIMS, signer)), new RegExp(role));
    });
  }

  it("refuses two roles in one certificate", async () => {
    const signer = await issue({ dnsNames: ["tote-controller", "tote-agent"] });
    await assertRefused("several_roles", verify(await signGrant(CLAIMS, signer)));
  });

  it("refuses no role, a role in other letters, and a role as common name only", async () => {
    for (const dnsNames of [
      [],
      ["TOTE-CONTROLLER"],
      ["tote-controller.tote.svc"],
      ["x, DNS:tote-controller"],
    ]) {
      await assertRefused("wrong_role", verify(await signGrant(CLAIMS, await issue({ dnsNames }))));
    }
  });

  it("refuses a forged chain in x5c: an agent's leaf that vouches for a controller's", async () => {
    const agent = await issue({ dnsNames: ["tote-agent"] });
    const forged = await issue({}, agent);
    await assertRefused(
      "certificate_chain",
      verify(forgeWithChain([der(forged), der(agent)], forged)),
      /2 certificates/,
    );
    await assertRefused("wrong_ca", verify(forgeWithChain([der(forged)], forged)));
  });

  it("refuses a leaf as issuer even when it stands among the CAs", async () => {
    const agent = await issue({ dnsNames: ["tote-agent"] });
    const forged = await issue({}, agent);
    const trusted = [...cas, ...parseCertificates(agent.cert, "agent")];
    await assertRefused("wrong_ca", verify(forgeWithChain([der(forged)], forged), NOW, trusted));
    const loose = await issue({ dnsNames: ["tote-agent"], anyUsage: true });
    const forgedToo = await issue({}, loose);
    const trustedToo = [...cas, ...parseCertificates(loose.cert, "loose")];
    await assertRefused("wrong_ca", verify(forgeWithChain([der(forgedToo)], forgedToo), NOW, trustedToo));
  });

  it("refuses the controller's certificate with another key put in", async () => {
    const attacker = await issue({ dnsNames: ["tote-agent"] });
    const swapped = Buffer.from(der(controller), "base64");
    const position = swapped.indexOf(pointOf(controller));
    assert.ok(position > 0);
    pointOf(attacker).copy(swapped, position);
    await assertRefused("wrong_ca", verify(forgeWithChain([swapped.toString("base64")], attacker)));
  });

  it("refuses a chain of two that leads to our CA, and its leaf alone", async () => {
    const root = await createAuthority({ commonName: "root", pathLength: 1, ...VALIDITY });
    const middle = await createAuthority({ commonName: "middle", issuer: root, ...VALIDITY });
    const leaf = await issue({}, middle);
    const trusted = parseCertificates(root.cert, "root");
    await assertRefused(
      "certificate_chain",
      verify(forgeWithChain([der(leaf), der(middle)], leaf), NOW, trusted),
    );
    await assertRefused("wrong_ca", verify(forgeWithChain([der(leaf)], leaf), NOW, trusted));
    const withMiddle = parseCertificates(root.cert + middle.cert, "both");
    assert.equal((await verify(forgeWithChain([der(leaf)], leaf), NOW, withMiddle)).jti, "g-1");
  });

  it("refuses the CA itself as signer", async () => {
    await assertRefused("certificate_is_ca", verify(forgeWithChain([der(ca)], ca)));
  });

  it("refuses a certificate or CA that is not valid now, with the same leeway", async () => {
    const late = await issue({ notBefore: NOW - DAY, notAfter: NOW - 61 * SECOND });
    await assertRefused("certificate_expired", verify(await signGrant(CLAIMS, late)));
    const justOver = await issue({ notBefore: NOW - DAY, notAfter: NOW - 45 * SECOND });
    assert.equal((await verify(await signGrant(CLAIMS, justOver))).jti, "g-1");
    const early = await issue({ notBefore: NOW + 61 * SECOND });
    await assertRefused("certificate_early", verify(await signGrant(CLAIMS, early)));
    const nearly = await issue({ notBefore: NOW + 45 * SECOND });
    assert.equal((await verify(await signGrant(CLAIMS, nearly))).jti, "g-1");
    const oldCa = await createAuthority({
      commonName: "old",
      notBefore: NOW - DAY,
      notAfter: NOW - 61 * SECOND,
    });
    const token = await signGrant(CLAIMS, await issue({}, oldCa));
    await assertRefused(
      "certificate_expired",
      verify(token, NOW, parseCertificates(oldCa.cert, "old")),
      /the CA of/,
    );
  });

  it("refuses x5c that is missing, empty, no text, no base64, no certificate, or has bytes behind it", async () => {
    const good = der(controller);
    const trailing = Buffer.concat([Buffer.from(good, "base64"), Buffer.from([0])]).toString("base64");
    for (const [x5c, code] of [
      [undefined, "certificate_chain"],
      [good, "certificate_chain"],
      [[], "certificate_chain"],
      [[good, good], "certificate_chain"],
      [[7], "bad_certificate"],
      [[""], "bad_certificate"],
      [["not base64!"], "bad_certificate"],
      [[`${good.slice(0, 64)}\n${good.slice(64)}`], "bad_certificate"],
      [[good.replaceAll("=", "").slice(0, -1)], "bad_certificate"],
      [[Buffer.from("hello").toString("base64")], "bad_certificate"],
      [[trailing], "bad_certificate"],
      [["A".repeat(20_000)], "bad_certificate"],
    ] as const) {
      const token = forge({ alg: "ES256", x5c }, CLAIMS, controller.key);
      await assertRefused(code, verify(token));
    }
  });

  it("pays no heed to keys that the header offers", async () => {
    const attacker = await issue({}, await createAuthority({ commonName: "x", ...VALIDITY }));
    const jwk = createPrivateKey(attacker.key).export({ format: "jwk" });
    const header = { alg: "ES256", x5c: [der(controller)], jwk, jku: "https://evil.example/keys", kid: "1" };
    await assertRefused("bad_signature", verify(forge(header, CLAIMS, attacker.key)));
  });
});

describe("verifyGrant and the signature", () => {
  it("refuses an altered payload, header or signature", async () => {
    const token = await signGrant(CLAIMS, controller);
    const [header = "", , signature = ""] = token.split(".");
    const altered = base64url({ ...CLAIMS, digest: BLOB });
    await assertRefused("bad_signature", verify(`${header}.${altered}.${signature}`));
    const other = base64url({ alg: "ES256", x5c: [der(controller)], extra: 1 });
    await assertRefused("bad_signature", verify(`${other}.${base64url(CLAIMS)}.${signature}`));
    const flipped = `${signature.startsWith("A") ? "B" : "A"}${signature.slice(1)}`;
    await assertRefused("bad_signature", verify(`${header}.${base64url(CLAIMS)}.${flipped}`));
    await assertRefused("bad_signature", verify(`${header}.${base64url(CLAIMS)}.`));
  });

  it("refuses a token signed by somebody who copied the controller's certificate", async () => {
    const agent = await issue({ dnsNames: ["tote-agent"] });
    await assertRefused("bad_signature", verify(forgeWithChain([der(controller)], agent)));
  });

  it("refuses alg none, with and without signature", async () => {
    for (const alg of ["none", "None", "NONE"]) {
      const unsigned = `${base64url({ alg, x5c: [der(controller)] })}.${base64url(CLAIMS)}.`;
      await assertRefused("wrong_algorithm", verify(unsigned));
      await assertRefused("wrong_algorithm", verify(`${unsigned}AAAA`));
    }
  });

  it("refuses HS256 with the public key as shared secret", async () => {
    const certificate = parseLeafCertificate(controller.cert, "cert");
    const input = `${base64url({ alg: "HS256", x5c: [der(controller)] })}.${base64url(CLAIMS)}`;
    for (const secret of [
      certificate.publicKey.export({ type: "spki", format: "pem" }),
      certificate.publicKey.export({ type: "spki", format: "der" }),
      controller.cert,
    ]) {
      const mac = createHmac("sha256", secret).update(input).digest("base64url");
      await assertRefused("wrong_algorithm", verify(`${input}.${mac}`));
    }
  });

  it("refuses an algorithm that does not belong to the certificate's key", async () => {
    for (const alg of ["ES384", "RS256", "PS256", "EdDSA"]) {
      const token = forge({ alg, x5c: [der(controller)] }, CLAIMS, controller.key);
      await assertRefused("wrong_algorithm", verify(token), /allows ES256/);
    }
    for (const alg of ["ES512", "ES256K", "RS512", "Ed448", undefined, 7, ["ES256"]]) {
      const token = forge({ alg, x5c: [der(controller)] }, CLAIMS, controller.key);
      await assertRefused("wrong_algorithm", verify(token), /must be one of ES256/);
    }
  });

  it("refuses critical headers that it does not know", async () => {
    const token = forge({ alg: "ES256", x5c: [der(controller)], crit: ["x"], x: 1 }, CLAIMS, controller.key);
    await assertRefused("malformed", verify(token));
  });
});

describe("verifyGrant and the form", () => {
  it("refuses what is no compact JWS", async () => {
    const token = await signGrant(CLAIMS, controller);
    const bad = [
      "",
      "x",
      "a.b",
      "a.b.c.d",
      `${token}.x`,
      ` ${token}`,
      `${token}\n`,
      "....",
      "e30.e30.",
      token.repeat(900),
    ];
    for (const value of bad) {
      await assert.rejects(
        verify(value),
        (error) => error instanceof GrantError,
        JSON.stringify(value.slice(0, 20)),
      );
    }
    await assertRefused("malformed", verify(""), /there is no grant/);
    await assertRefused("malformed", verify("x".repeat(1024 * 1024 + 1)), /at most 1048576/);
  });

  it("refuses a payload that is no JSON object", async () => {
    for (const payload of ["nonsense", "[]", "null", "7", '"x"', ""]) {
      await assertRefused("malformed", verify(forgeWithChain([der(controller)], controller, payload)));
    }
  });

  const broken: readonly (readonly [string, unknown])[] = [
    ["jti", ""],
    ["nbf", "soon"],
    ["nbf", 1.5],
    ["exp", -1],
    ["op", "remove"],
    ["op", undefined],
    ["digest", "latest"],
    ["target", "node-b"],
    ["target", { node: 7 }],
    ["sources", {}],
    ["sources", [{ node: "a" }]],
    ["sources", [null]],
    ["record", null],
    ["epoch", "3"],
    ["epoch", 2 ** 60],
    ["names", "nginx"],
    ["names", [""]],
    ["max_bytes", null],
    ["blobs", ["sha256:short"]],
    ["export_grant", 7],
  ];
  for (const [name, value] of broken) {
    it(`refuses claim ${name} = ${JSON.stringify(value)}, naming it`, async () => {
      const token = forgeWithChain([der(controller)], controller, { ...CLAIMS, [name]: value });
      await assertRefused("malformed", verify(token), new RegExp(`^grant claim ${name}`));
    });
  }
});

describe("signImportGrants", () => {
  it("signs an import grant that carries the export grant, which alone lists the blobs", async () => {
    const blobs = Array.from({ length: 150 }, (_, index) => `sha256:${index.toString(16).padStart(64, "0")}`);
    const { importGrant, exportGrant } = await signImportGrants(
      {
        id: "g-7",
        digest: DIGEST,
        blobs,
        names: ["nginx:1.25"],
        targetNode: "node-b",
        sources: CLAIMS.sources,
        maxBytes: 2 ** 31,
        record: "shop/salvage-1",
        epoch: 4,
        now: NOW + 500,
        lifetimeMs: 300 * SECOND,
      },
      controller,
    );
    const imported = await verify(importGrant);
    const exported = await verify(exportGrant);
    assert.ok(imported.op === "import" && exported.op === "export");
    assert.equal(imported.export_grant, exportGrant);
    assert.deepEqual(imported.blobs, []);
    assert.deepEqual(exported.blobs, blobs);
    assert.equal(imported.max_bytes, 2 ** 31);
    for (const claims of [imported, exported]) {
      assert.equal(claims.jti, "g-7");
      assert.equal(claims.digest, DIGEST);
      assert.equal(claims.epoch, 4);
      assert.deepEqual(claims.sources, CLAIMS.sources);
      assert.ok(claims.nbf * SECOND <= NOW + 500 && claims.exp * SECOND >= NOW + 500 + 300 * SECOND);
    }
    assert.ok(importGrant.length < 32_768, `${importGrant.length} characters for 150 blobs`);
  });
});
