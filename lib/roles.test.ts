import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { before, describe, it } from "node:test";

import { createAuthority, issueCertificate } from "./certs.ts";
import type { Identity } from "./certs.ts";
import { ALL_ROLES, isRole, RoleError, roleOfCertificate } from "./roles.ts";
import type { RoleErrorCode } from "./roles.ts";
import { dnsNamesOfCertificate } from "./subject-alt-names.ts";

const VALIDITY = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 3_600_000 };

let ca: Identity;

before(async () => {
  ca = await createAuthority({ commonName: "tote CA", ...VALIDITY });
});

async function certificate(
  dnsNames: readonly string[],
  ips: readonly string[] = [],
): Promise<X509Certificate> {
  return new X509Certificate((await issueCertificate(ca, { dnsNames, ips, ...VALIDITY })).cert);
}

function refused(code: RoleErrorCode, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof RoleError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  };
}

describe("roleOfCertificate", () => {
  for (const role of ALL_ROLES) {
    it(`finds ${role}, in a certificate and in its DER`, async () => {
      const found = await certificate([role]);
      assert.equal(roleOfCertificate(found), role);
      assert.equal(roleOfCertificate(found.raw), role);
    });
  }

  it("ignores other names, addresses, and the same role twice", async () => {
    const found = await certificate(
      ["tote-relay.tote.svc", "tote-relay", "localhost", "tote-relay"],
      ["10.0.0.1", "::1"],
    );
    assert.equal(roleOfCertificate(found), "tote-relay");
  });

  it("refuses two roles, naming both", async () => {
    const found = await certificate(["tote-agent", "tote-operator"]);
    assert.throws(() => roleOfCertificate(found), refused("several_roles", /tote-agent, tote-operator/));
  });

  it("refuses no role: other names, none, or only the common name", async () => {
    const other = await certificate(["example.com"]);
    assert.throws(
      () => roleOfCertificate(other),
      refused("no_role", /"example.com", expected one of tote-controller/),
    );
    const none = await certificate([]);
    assert.throws(() => roleOfCertificate(none), refused("no_role", /it has no DNS names/));
    const authority = new X509Certificate(
      (await createAuthority({ commonName: "tote-agent", ...VALIDITY })).cert,
    );
    assert.throws(() => roleOfCertificate(authority), refused("no_role", /it has no DNS names/));
  });

  it("is not fooled by one name that looks like two", async () => {
    const found = await certificate(["x, DNS:tote-controller"]);
    assert.deepEqual(dnsNamesOfCertificate(found.raw), ["x, DNS:tote-controller"]);
    assert.throws(() => roleOfCertificate(found), refused("no_role", /"x, DNS:tote-controller"/));
  });

  it("takes names letter by letter", async () => {
    for (const name of ["Tote-Agent", "tote-agent.", "*.tote-agent", " tote-agent"]) {
      assert.equal(isRole(name), false);
      const found = await certificate([name]);
      assert.throws(() => roleOfCertificate(found), refused("no_role", /names no role/));
    }
  });
});

describe("dnsNamesOfCertificate", () => {
  it("refuses what is no certificate, at every length it may be cut to", async () => {
    const { raw } = await certificate(["tote-agent"]);
    for (let length = 0; length < raw.length; length += 1) {
      assert.throws(() => roleOfCertificate(raw.subarray(0, length)), refused("malformed", /cannot be read/));
    }
    assert.throws(
      () => dnsNamesOfCertificate(Buffer.concat([raw, Buffer.from([0])])),
      /cut short|not one DER/,
    );
    assert.throws(() => dnsNamesOfCertificate(Buffer.concat([raw, raw])), /not one DER certificate/);
  });

  it("never runs away or crashes on damaged bytes", async () => {
    const { raw } = await certificate(["tote-agent"]);
    for (let position = 0; position < raw.length; position += 1) {
      const damaged = Uint8Array.from(raw);
      damaged[position] = (damaged[position] ?? 0) ^ 0xff;
      try {
        assert.ok(Array.isArray(dnsNamesOfCertificate(damaged)));
      } catch (error) {
        assert.equal(error instanceof Error ? error.constructor : undefined, Error, `byte ${position}`);
      }
    }
  });
});
