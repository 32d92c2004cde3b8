import { createPrivateKey, randomUUID, sign as signBytes } from "node:crypto";

import type { Identity } from "../../lib/certs.ts";
import type { ExportClaims, GrantSource, ImportClaims } from "../../lib/grant-claims.ts";
import { signGrant } from "../../lib/grant.ts";
import { parseLeafCertificate } from "../../lib/pem.ts";
import { ROLES } from "../../lib/roles.ts";
import type { Built } from "../harness/image-builder.ts";
import type { Rig } from "../harness/rig.ts";

/** What a test's grants are about: an image that moves from some nodes of a rig to another. */
export interface GrantSubject {
  readonly image: Built;
  readonly names: readonly string[];
  readonly target: string;
  readonly sources: readonly string[];
}

/** Makes the grants of one import, good ones and bent ones, and remembers every one for a search in the logs. */
export interface GrantMaker {
  /** every token made so far */
  readonly made: readonly string[];
  /** what a good import grant says; it carries a good export grant */
  importClaims(changes?: Partial<ImportClaims>): Promise<ImportClaims>;
  /** what a good export grant says */
  exportClaims(changes?: Partial<ExportClaims>): ExportClaims;
  /** Signs claims as the controller, or as somebody else. */
  sign(claims: ImportClaims | ExportClaims, signer?: Identity): Promise<string>;
  /** A token with any header, whose signature (ES256) belongs to its content. */
  forge(header: object, claims: unknown, signer: Identity): string;
  /** the fields of a good ImportImage call, except for its grant */
  request(): { names: string[]; digest: string; sources: GrantSource[]; maxBytes: bigint };
}

const SECOND = 1000;
const LIFETIME_SECONDS = 60;

/** Makes a GrantMaker for one import of a rig. */
export function createGrantMaker(rig: Rig, subject: GrantSubject): GrantMaker {
  const made: string[] = [];
  const { image, target } = subject;
  const names = [...subject.names];
  const { digest } = image.descriptor;
  const sources = subject.sources.map((node) => ({ node, endpoint: rig.node(node).agent.url }));

  function common(): Omit<ExportClaims, "op" | "blobs"> {
    const nbf = Math.floor(Date.now() / SECOND);
    const exp = nbf + LIFETIME_SECONDS;
    return {
      jti: randomUUID(),
      nbf,
      exp,
      digest,
      target: { node: target },
      sources,
      record: "test/x",
      epoch: 1,
    };
  }

  const maker: GrantMaker = {
    made,
    exportClaims: (changes) => ({ ...common(), op: "export", blobs: [...image.blobs.keys()], ...changes }),
    async importClaims(changes) {
      const exportGrant = changes?.export_grant ?? (await maker.sign(maker.exportClaims()));
      return {
        ...common(),
        op: "import",
        names,
        max_bytes: 0,
        blobs: [],
        ...changes,
        export_grant: exportGrant,
      };
    },
    async sign(claims, signer) {
      const token = await signGrant(claims, signer ?? (await rig.pki.role(ROLES.controller)));
      made.push(token);
      return token;
    },
    forge(header, claims, signer) {
      const input = `${encode(header)}.${encode(claims)}`;
      const key = { key: createPrivateKey(signer.key), dsaEncoding: "ieee-p1363" } as const;
      const token = `${input}.${signBytes("sha256", Buffer.from(input), key).toString("base64url")}`;
      made.push(token);
      return token;
    },
    request: () => ({ names, digest, sources: [...sources], maxBytes: 0n }),
  };
  return maker;
}

/** Certificates as the x5c header carries them. */
export function x5c(...certificates: readonly Identity[]): readonly string[] {
  return certificates.map(({ cert }) => parseLeafCertificate(cert, "certificate").raw.toString("base64"));
}

/** A part of a token as it is sent. */
export function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
