import type { ExportClaims, GrantSource, ImportClaims } from "./grant-claims.ts";
import { signGrant } from "./grant.ts";
import type { GrantSigner } from "./grant.ts";

/** One import that the controller orders. */
export interface ImportOrder {
  /** the image: its index or manifest */
  readonly digest: string;
  /** every blob that the target may read from the sources: index, manifests, configs, layers */
  readonly blobs: readonly string[];
  /** references to create, as the pods write them */
  readonly names: readonly string[];
  readonly targetNode: string;
  /** nodes to read from, best first */
  readonly sources: readonly GrantSource[];
  /** largest image in compressed bytes; 0 means no limit */
  readonly maxBytes: number;
  /** the salvage record behind it, "namespace/name" */
  readonly record: string;
  /** term of this leader */
  readonly epoch: number;
  /** milliseconds since 1970 */
  readonly now: number;
  /** how long the grants live, in milliseconds */
  readonly lifetimeMs: number;
  /** a unique id for both grants */
  readonly id: string;
}

/**
 * Signs what one ImportImage call needs. The import grant goes into the call; it carries inside the export grant that
 * the target agent shows to the sources, which alone lists the blobs.
 * @throws as `signGrant`
 */
export async function signImportGrants(
  order: ImportOrder,
  signer: GrantSigner,
): Promise<{ readonly importGrant: string; readonly exportGrant: string }> {
  const common = {
    jti: order.id,
    nbf: Math.floor(order.now / 1000),
    exp: Math.ceil((order.now + order.lifetimeMs) / 1000),
    digest: order.digest,
    target: { node: order.targetNode },
    sources: order.sources,
    record: order.record,
    epoch: order.epoch,
  };
  const exported: ExportClaims = { ...common, op: "export", blobs: order.blobs };
  const exportGrant = await signGrant(exported, signer);
  const imported: ImportClaims = {
    ...common,
    op: "import",
    names: order.names,
    max_bytes: order.maxBytes,
    blobs: [],
    export_grant: exportGrant,
  };
  return { importGrant: await signGrant(imported, signer), exportGrant };
}
