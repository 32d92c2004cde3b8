import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { before, describe, it } from "node:test";

import { createAuthority } from "./certs.ts";
import type { Identity } from "./certs.ts";
import { signGrant } from "./grant.ts";
import { parseCertificates, parseLeafCertificate } from "./pem.ts";
import {
  assertRefused,
  CLAIMS,
  DAY,
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

/** The bytes of a P-256 public key as they stand in its certificate. */
function pointOf(identity: Identity): Buffer {
  const { publicKey } = parseLeafCertificate(identity.cert, "cert");
  return publicKey.export({ type: "spki", format: "der" }).subarray(-65);
}

describe("verifyGrant and the signer's certificate", () => {
  it("refuses one of another CA, even of the same name", async () => {
    for (const commonName of ["stranger", "tote CA"]) {
      const stranger = await createAuthority({ commonName, ...VALIDITY });
      await assertRefused("wrong_ca", world.verify(await signGrant(CLAIMS, await world.issue({}, stranger))));
    }
  });

  it("refuses everything when no CA is trusted", async () => {
    await assertRefused("wrong_ca", world.verify(await signGrant(CLAIMS, world.controller), NOW, []));
  });

  for (const role of ["tote-agent", "tote-operator", "tote-relay"]) {
    it(`refuses the role ${role}`, async () => {
      const signer = await world.issue({ dnsNames: [role] });
      await assertRefused("wrong_role", world.verify(await signGrant(CLAIMS, signer)), new RegExp(role));
    });
  }

  it("refuses two roles in one certificate", async () => {
    const signer = await world.issue({ dnsNames: ["tote-controller", "tote-agent"] });
    await assertRefused("several_roles", world.verify(await signGrant(CLAIMS, signer)));
  });

  it("refuses no role, a role in other letters, and a role as common name only", async () => {
    for (const dnsNames of [
      [],
      ["TOTE-CONTROLLER"],
      ["tote-world.controller.tote.svc"],
      ["x, DNS:tote-controller"],
    ]) {
      await assertRefused(
        "wrong_role",
        world.verify(await signGrant(CLAIMS, await world.issue({ dnsNames }))),
      );
    }
  });

  it("refuses a forged chain in x5c: an agent's leaf that vouches for a controller's", async () => {
    const agent = await world.issue({ dnsNames: ["tote-agent"] });
    const forged = await world.issue({}, agent);
    await assertRefused(
      "certificate_chain",
      world.verify(forgeWithChain([der(forged), der(agent)], forged)),
      /2 certificates/,
    );
    await assertRefused("wrong_ca", world.verify(forgeWithChain([der(forged)], forged)));
  });

  it("refuses a leaf as issuer even when it stands among the CAs", async () => {
    const agent = await world.issue({ dnsNames: ["tote-agent"] });
    const forged = await world.issue({}, agent);
    const trusted = [...world.cas, ...parseCertificates(agent.cert, "agent")];
    await assertRefused("wrong_ca", world.verify(forgeWithChain([der(forged)], forged), NOW, trusted));
    const loose = await world.issue({ dnsNames: ["tote-agent"], anyUsage: true });
    const forgedToo = await world.issue({}, loose);
    const trustedToo = [...world.cas, ...parseCertificates(loose.cert, "loose")];
    await assertRefused(
      "wrong_ca",
      world.verify(forgeWithChain([der(forgedToo)], forgedToo), NOW, trustedToo),
    );
  });

  it("refuses the controller's certificate with another key put in", async () => {
    const attacker = await world.issue({ dnsNames: ["tote-agent"] });
    const swapped = Buffer.from(der(world.controller), "base64");
    const position = swapped.indexOf(pointOf(world.controller));
    assert.ok(position > 0);
    pointOf(attacker).copy(swapped, position);
    await assertRefused("wrong_ca", world.verify(forgeWithChain([swapped.toString("base64")], attacker)));
  });

  it("refuses a chain of two that leads to our CA, and its leaf alone", async () => {
    const root = await createAuthority({ commonName: "root", pathLength: 1, ...VALIDITY });
    const middle = await createAuthority({ commonName: "middle", issuer: root, ...VALIDITY });
    const leaf = await world.issue({}, middle);
    const trusted = parseCertificates(root.cert, "root");
    await assertRefused(
      "certificate_chain",
      world.verify(forgeWithChain([der(leaf), der(middle)], leaf), NOW, trusted),
    );
    await assertRefused("wrong_ca", world.verify(forgeWithChain([der(leaf)], leaf), NOW, trusted));
    const withMiddle = parseCertificates(root.cert + middle.cert, "both");
    assert.equal((await world.verify(forgeWithChain([der(leaf)], leaf), NOW, withMiddle)).jti, "g-1");
  });

  it("refuses the CA itself as signer", async () => {
    await assertRefused("certificate_is_ca", world.verify(forgeWithChain([der(world.ca)], world.ca)));
  });

  it("refuses a certificate or CA that is not valid now, with the same leeway", async () => {
    const late = await world.issue({ notBefore: NOW - DAY, notAfter: NOW - 61 * SECOND });
    await assertRefused("certificate_expired", world.verify(await signGrant(CLAIMS, late)));
    const justOver = await world.issue({ notBefore: NOW - DAY, notAfter: NOW - 45 * SECOND });
    assert.equal((await world.verify(await signGrant(CLAIMS, justOver))).jti, "g-1");
    const early = await world.issue({ notBefore: NOW + 61 * SECOND });
    await assertRefused("certificate_early", world.verify(await signGrant(CLAIMS, early)));
    const nearly = await world.issue({ notBefore: NOW + 45 * SECOND });
    assert.equal((await world.verify(await signGrant(CLAIMS, nearly))).jti, "g-1");
    const oldCa = await createAuthority({
      commonName: "old",
      notBefore: NOW - DAY,
      notAfter: NOW - 61 * SECOND,
    });
    const token = await signGrant(CLAIMS, await world.issue({}, oldCa));
    await assertRefused(
      "certificate_expired",
      world.verify(token, NOW, parseCertificates(oldCa.cert, "old")),
      /the CA of/,
    );
  });

  it("refuses x5c that is missing, empty, no text, no base64, no certificate, or has bytes behind it", async () => {
    const good = der(world.controller);
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
      const token = forge({ alg: "ES256", x5c }, CLAIMS, world.controller.key);
      await assertRefused(code, world.verify(token));
    }
  });

  it("pays no heed to keys that the header offers", async () => {
    const attacker = await world.issue({}, await createAuthority({ commonName: "x", ...VALIDITY }));
    const jwk = createPrivateKey(attacker.key).export({ format: "jwk" });
    const header = {
      alg: "ES256",
      x5c: [der(world.controller)],
      jwk,
      jku: "https://evil.example/keys",
      kid: "1",
    };
    await assertRefused("bad_signature", world.verify(forge(header, CLAIMS, attacker.key)));
  });
});
