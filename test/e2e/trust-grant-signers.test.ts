import { createHmac } from "node:crypto";
import { after, before, describe, test } from "node:test";

import { createAuthority, issueCertificate, type Identity } from "../../lib/certs.ts";
import { ROLES } from "../../lib/roles.ts";
import { createPki, type Pki } from "../harness/pki.ts";
import { encode, x5c, type GrantMaker } from "./grants.ts";
import { startRefusedImports, type Attempt, type Refusal, type RefusedImports } from "./refused-imports.ts";

const HOUR_MS = 60 * 60_000;

describe("an import is refused, before anything moves, with a grant", () => {
  let imports: RefusedImports;
  let grants: GrantMaker;
  let pki: Pki;
  before(async () => {
    imports = await startRefusedImports("signers");
    ({ grants } = imports);
    ({ pki } = imports.rig);
  });
  after(() => imports.rig.cleanup.run());

  async function signedBy(signer: Identity | Promise<Identity>): Promise<Attempt> {
    return { grant: await grants.sign(await grants.importClaims(), await signer) };
  }
  /** A grant that shows any certificates and was signed by any key. */
  async function forged(chain: readonly Identity[], signer: Identity): Promise<Attempt> {
    return { grant: grants.forge({ alg: "ES256", x5c: x5c(...chain) }, await grants.importClaims(), signer) };
  }
  /** What somebody who broke into an agent can make: a controller's certificate that the agent's key has signed. */
  async function forgedLeaf(): Promise<{ readonly agent: Identity; readonly leaf: Identity }> {
    const agent = await pki.role(ROLES.agent);
    return { agent, leaf: await issueCertificate(agent, { ...validity(), dnsNames: [ROLES.controller] }) };
  }
  /** The parts of a token before its signature, with another algorithm in its header. */
  async function unsigned(alg: string): Promise<string> {
    const header = { alg, x5c: x5c(await pki.role(ROLES.controller)) };
    return `${encode(header)}.${encode(await grants.importClaims())}`;
  }

  const rows: readonly Refusal[] = [
    ["that is missing", () => ({ grant: "" }), /^there is no grant/],
    ["that is no token", () => ({ grant: "open sesame" }), /^grant is not a compact JWS$/],
    [
      "signed by an agent",
      () => signedBy(pki.role(ROLES.agent)),
      /signed by tote-agent, only tote-controller/,
    ],
    ["signed by an operator", () => signedBy(pki.role(ROLES.operator)), /signed by tote-operator, only/],
    [
      "signed by a certificate with two roles",
      () => signedBy(pki.issue([ROLES.controller, ROLES.agent])),
      /names 2 roles \(tote-controller, tote-agent\)/,
    ],
    ["signed by the CA itself", () => signedBy(pki.ca), /is a CA, must be the controller's/],
    [
      "signed under another CA",
      async () => signedBy((await createPki()).role(ROLES.controller)),
      /is not from our CA/,
    ],
    [
      "signed by a certificate that has expired",
      () => signedBy(pki.issue([ROLES.controller], { ...validity(), notAfter: Date.now() - 120_000 })),
      /^signer's certificate expired on/,
    ],
    [
      "signed by a certificate that is not valid yet",
      () => signedBy(pki.issue([ROLES.controller], { ...validity(), notBefore: Date.now() + 120_000 })),
      /^signer's certificate is valid from/,
    ],
    [
      "signed by a leaf that another leaf vouches for",
      async () => {
        const { leaf } = await forgedLeaf();
        return forged([leaf], leaf);
      },
      /is not from our CA/,
    ],
    [
      "signed by a leaf that another leaf vouches for, with both in x5c",
      async () => {
        const { agent, leaf } = await forgedLeaf();
        return forged([leaf, agent], leaf);
      },
      /carries 2 certificates in x5c, must be exactly one/,
    ],
    [
      "signed by a leaf of an intermediate CA of ours, with both in x5c",
      async () => {
        const between = await createAuthority({ ...validity(), commonName: "between", issuer: pki.ca });
        const leaf = await issueCertificate(between, { ...validity(), dnsNames: [ROLES.controller] });
        return forged([leaf, between], leaf);
      },
      /carries 2 certificates in x5c, must be exactly one/,
    ],
    [
      "with the controller's certificate, signed by another key",
      async () => forged([await pki.role(ROLES.controller)], await pki.role(ROLES.agent)),
      /^signature of the grant does not belong to its content$/,
    ],
    ["without a signature", async () => ({ grant: `${await unsigned("none")}.` }), /signed with "none"/],
    [
      "signed with the controller's certificate as a shared secret",
      async () => {
        const input = await unsigned("HS256");
        const { cert } = await pki.role(ROLES.controller);
        return { grant: `${input}.${createHmac("sha256", cert).update(input).digest("base64url")}` };
      },
      /signed with "HS256"/,
    ],
  ];
  for (const [what, attempt, words, code] of rows) {
    test(what, async () => {
      await imports.assertRefused(await attempt(), words, code);
    });
  }

  test("while one signed by another certificate of the controller is taken", async () => {
    const { grant } = await signedBy(pki.issue([ROLES.controller, "tote-controller.tote.svc"]));
    const call = imports.rig.node("b").controller.importImage({ ...grants.request(), grant });
    for await (const { event } of call) if (event.case === "result") return;
    throw new Error("the import ended without a result");
  });
});

function validity(): { readonly notBefore: number; readonly notAfter: number } {
  return { notBefore: Date.now() - HOUR_MS, notAfter: Date.now() + HOUR_MS };
}
