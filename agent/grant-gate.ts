import { createHash, type X509Certificate } from "node:crypto";

import type { Clock } from "../lib/clock.ts";
import { checkCancel, checkExport, checkImport, checkImportBlob, EpochGuard } from "../lib/grant-check.ts";
import type { ExportClaims, GrantClaims, GrantSource } from "../lib/grant-claims.ts";
import { verifyGrant } from "../lib/grant.ts";
import type { ExportSession } from "./transfer/blob-exporter.ts";

/** Decides by its grant whether a request may go on. All reject with GrantError. */
export interface GrantGate {
  /** ImportImage; answers the grant to show to the sources */
  forImport(request: {
    readonly digest: string;
    readonly names: readonly string[];
    readonly sources: readonly GrantSource[];
    readonly maxBytes: number;
    readonly grant: string;
  }): Promise<{ readonly exportGrant: string }>;
  /** ImportBlob */
  forImportBlob(request: { readonly digest: string; readonly grant: string }): Promise<void>;
  /** CancelImport */
  forCancel(request: { readonly digest: string; readonly grant: string }): Promise<void>;
  /** ExportBlob; answers the session it belongs to */
  forExport(request: {
    readonly digest: string;
    readonly imageDigest: string;
    readonly grant: string;
  }): Promise<ExportSession>;
}

/** With --insecure: everybody may do everything. */
export const openGate: GrantGate = {
  forImport: async () => ({ exportGrant: "" }),
  forImportBlob: async () => {},
  forCancel: async () => {},
  forExport: async ({ digest, imageDigest }) => {
    const image = imageDigest === "" ? digest : imageDigest;
    return { key: image, imageDigest: image };
  },
};

/** What a gate that checks grants works with. */
export interface SignedGateOptions {
  readonly nodeName: string;
  readonly clock: Clock;
  /** the CAs of --tls-ca, as they are now */
  readonly cas: () => readonly X509Certificate[];
  /** whether the export session of this key lives */
  readonly isInUse: (key: string) => boolean;
}

/** With TLS: only what the controller has signed for this node. */
export function createSignedGate(options: SignedGateOptions): GrantGate {
  const epochs = new EpochGuard();
  /** claims of export grants whose session lives: those stay good beyond their expiry */
  const inUse = new Map<string, ExportClaims>();

  async function verified(token: string): Promise<GrantClaims> {
    const claims = await verifyGrant({ token, cas: options.cas(), now: options.clock.now() });
    epochs.check(claims);
    return claims;
  }

  return {
    async forImport({ grant, ...terms }) {
      const claims = checkImport(await verified(grant), terms, options.nodeName);
      return { exportGrant: claims.export_grant };
    },
    async forImportBlob({ digest, grant }) {
      checkImportBlob(await verified(grant), digest, options.nodeName);
    },
    async forCancel({ digest, grant }) {
      checkCancel(await verified(grant), digest, options.nodeName);
    },
    async forExport({ digest, imageDigest, grant }) {
      const key = createHash("sha256").update(grant).digest("hex");
      const known = options.isInUse(key) ? inUse.get(key) : undefined;
      const claims = checkExport(known ?? (await verified(grant)), { digest, imageDigest }, options.nodeName);
      for (const other of inUse.keys()) if (!options.isInUse(other)) inUse.delete(other);
      inUse.set(key, claims);
      return { key, imageDigest: claims.digest };
    },
  };
}
