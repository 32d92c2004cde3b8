import assert from "node:assert/strict";
import { createHmac, createPrivateKey, sign as signBytes } from "node:crypto";
import { before, describe, it } from "node:test";

import { createAuthority } from "./certs.ts";
import type { KeyKind } from "./certs.ts";
import type { GrantClaims } from "./grant-claims.ts";
import { signGrant, verifyGrant } from "./grant.ts";
import { parseCertificates, parseLeafCertificate } from "./pem.ts";
import {
  assertRefused,
  base64url,
  BLOB,
  CLAIMS,
  der,
  forge,
  forgeWithChain,
  GrantWorld,
  NOW,
  SECOND,
  VALIDITY,
} from "./testing/forged-grants.ts";

let world: GrantWorld;

before(async () => {
  world = await GrantWorld.create();
});

describe("verifyGrant", () => {
  it("gives back the claims of a good grant", async () => {
    assert.deepEqual(await world.verify(await signGrant(CLAIMS, world.controller)), CLAIMS);
  });

  it("drops claims it does not know", async () => {
    const token = forgeWithChain([der(world.controller)], world.controller, { ...CLAIMS, colour: "red" });
    assert.deepEqual(await world.verify(token), CLAIMS);
  });

  for (const [keyKind, alg] of [
    ["P-256", "ES256"],
    ["P-384", "ES384"],
    ["RSA-2048", "PS256"],
    ["Ed25519", "EdDSA"],
  ] as const satisfies readonly (readonly [KeyKind, string])[]) {
    it(`signs and verifies with ${keyKind} as ${alg}, whatever key the CA has`, async () => {
      const otherCa = await createAuthority({ commonName: "other kind", keyKind, ...VALIDITY });
      const signer = await world.issue({ keyKind }, otherCa);
      const token = await signGrant(CLAIMS, signer);
      assert.match(
        Buffer.from(token.split(".")[0] ?? "", "base64url").toString(),
        new RegExp(`"alg":"${alg}"`),
      );
      const trusted = [...world.cas, ...parseCertificates(otherCa.cert, "ca")];
      assert.deepEqual(await world.verify(token, NOW, trusted), CLAIMS);
    });
  }

  it("verifies RS256 as well", async () => {
    const signer = await world.issue({ keyKind: "RSA-2048" });
    const input = `${base64url({ alg: "RS256", x5c: [der(signer)] })}.${base64url(CLAIMS)}`;
    const signature = signBytes("sha256", Buffer.from(input), signer.key).toString("base64url");
    assert.deepEqual(await world.verify(`${input}.${signature}`), CLAIMS);
  });

  it("takes the certificate of the key when tls.crt holds a chain", async () => {
    const token = await signGrant(CLAIMS, {
      ...world.controller,
      cert: world.controller.cert + world.ca.cert,
    });
    assert.deepEqual(await world.verify(token), CLAIMS);
  });

  it("takes SEC 1 keys as OpenSSL writes them", async () => {
    const key = createPrivateKey(world.controller.key).export({ type: "sec1", format: "pem" }).toString();
    assert.match(key, /BEGIN EC PRIVATE KEY/);
    assert.deepEqual(await world.verify(await signGrant(CLAIMS, { ...world.controller, key })), CLAIMS);
  });

  it("refuses to sign with a key that is not the certificate's", async () => {
    const other = await world.issue({});
    await assert.rejects(
      signGrant(CLAIMS, { cert: world.controller.cert, key: other.key }),
      /does not belong/,
    );
  });
});

/** Verifies a good grant that many seconds after it begins. */
async function verifyLater(seconds: number, leewaySeconds?: number): Promise<GrantClaims> {
  const token = await signGrant(CLAIMS, world.controller);
  const leeway = leewaySeconds === undefined ? {} : { leewaySeconds };
  return verifyGrant({ token, cas: world.cas, now: NOW + seconds * SECOND, ...leeway });
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
    await assertRefused(
      "malformed",
      world.verify(await signGrant({ ...CLAIMS, exp: CLAIMS.nbf }, world.controller)),
    );
    const far = { ...CLAIMS, nbf: Number.MAX_SAFE_INTEGER - 1, exp: Number.MAX_SAFE_INTEGER };
    await assertRefused("early", world.verify(await signGrant(far, world.controller)));
  });
});

describe("verifyGrant and the signature", () => {
  it("refuses an altered payload, header or signature", async () => {
    const token = await signGrant(CLAIMS, world.controller);
    const [header = "", , signature = ""] = token.split(".");
    const altered = base64url({ ...CLAIMS, digest: BLOB });
    await assertRefused("bad_signature", world.verify(`${header}.${altered}.${signature}`));
    const other = base64url({ alg: "ES256", x5c: [der(world.controller)], extra: 1 });
    await assertRefused("bad_signature", world.verify(`${other}.${base64url(CLAIMS)}.${signature}`));
    const flipped = `${signature.startsWith("A") ? "B" : "A"}${signature.slice(1)}`;
    await assertRefused("bad_signature", world.verify(`${header}.${base64url(CLAIMS)}.${flipped}`));
    await assertRefused("bad_signature", world.verify(`${header}.${base64url(CLAIMS)}.`));
  });

  it("refuses a token signed by somebody who copied the controller's certificate", async () => {
    const agent = await world.issue({ dnsNames: ["tote-agent"] });
    await assertRefused("bad_signature", world.verify(forgeWithChain([der(world.controller)], agent)));
  });

  it("refuses alg none, with and without signature", async () => {
    for (const alg of ["none", "None", "NONE"]) {
      const unsigned = `${base64url({ alg, x5c: [der(world.controller)] })}.${base64url(CLAIMS)}.`;
      await assertRefused("wrong_algorithm", world.verify(unsigned));
      await assertRefused("wrong_algorithm", world.verify(`${unsigned}AAAA`));
    }
  });

  it("refuses HS256 with the public key as shared secret", async () => {
    const certificate = parseLeafCertificate(world.controller.cert, "cert");
    const input = `${base64url({ alg: "HS256", x5c: [der(world.controller)] })}.${base64url(CLAIMS)}`;
    for (const secret of [
      certificate.publicKey.export({ type: "spki", format: "pem" }),
      certificate.publicKey.export({ type: "spki", format: "der" }),
      world.controller.cert,
    ]) {
      const mac = createHmac("sha256", secret).update(input).digest("base64url");
      await assertRefused("wrong_algorithm", world.verify(`${input}.${mac}`));
    }
  });

  it("refuses an algorithm that does not belong to the certificate's key", async () => {
    for (const alg of ["ES384", "RS256", "PS256", "EdDSA"]) {
      const token = forge({ alg, x5c: [der(world.controller)] }, CLAIMS, world.controller.key);
      await assertRefused("wrong_algorithm", world.verify(token), /allows ES256/);
    }
    for (const alg of ["ES512", "ES256K", "RS512", "Ed448", undefined, 7, ["ES256"]]) {
      const token = forge({ alg, x5c: [der(world.controller)] }, CLAIMS, world.controller.key);
      await assertRefused("wrong_algorithm", world.verify(token), /must be one of ES256/);
    }
  });

  it("refuses critical headers that it does not know", async () => {
    const token = forge(
      { alg: "ES256", x5c: [der(world.controller)], crit: ["x"], x: 1 },
      CLAIMS,
      world.controller.key,
    );
    await assertRefused("malformed", world.verify(token));
  });
});
