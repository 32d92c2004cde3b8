import { parseEndpoint } from "./endpoint.ts";
import { InvalidValueError } from "./errors.ts";
import type { ExportClaims, GrantClaims, GrantSource, ImportClaims } from "./grant-claims.ts";
import { GrantError } from "./grant-error.ts";
import { normalizeReference } from "./reference.ts";

/** The parts of an ImportImageRequest that a grant speaks about. */
export interface ImportTerms {
  readonly digest: string;
  readonly names: readonly string[];
  readonly sources: readonly GrantSource[];
  /** compressed bytes; 0 means no limit */
  readonly maxBytes: bigint | number;
}

/**
 * Checks that an import is what the controller ordered, on the node it ordered it for. Names are compared in their
 * normalised form, names and sources as sets.
 * @param selfNode the node of the agent that was called
 * @throws GrantError "wrong_*" that names what differs; "malformed" when the grant itself names an illegal source
 * @throws InvalidValueError when a name of the request is no image reference
 */
export function checkImport(claims: GrantClaims, terms: ImportTerms, selfNode: string): ImportClaims {
  const granted = checkTarget(claims, terms.digest, selfNode);
  checkEndpoints(granted.sources);
  const wanted = terms.names.map((name, index) => normalizeReference(name, `names[${index}]`));
  checkSame("wrong_names", "name", wanted.map(quote), granted.names.map(normalizeGranted).map(quote));
  checkSame(
    "wrong_sources",
    "source",
    terms.sources.map(describeSource),
    granted.sources.map(describeSource),
  );
  if (BigInt(terms.maxBytes) !== BigInt(granted.max_bytes)) {
    throw new GrantError(
      "wrong_max_bytes",
      `grant is for max_bytes ${granted.max_bytes}, not ${terms.maxBytes}`,
    );
  }
  return granted;
}

/**
 * Checks that a grant lets its bearer cancel the import of a digest on this node.
 * @throws GrantError "wrong_*"
 */
export function checkCancel(claims: GrantClaims, digest: string, selfNode: string): ImportClaims {
  return checkTarget(claims, digest, selfNode);
}

/**
 * Checks that a grant lets its bearer push a blob to this node.
 * @throws GrantError "wrong_*", "blob_not_listed"
 */
export function checkImportBlob(claims: GrantClaims, blob: string, selfNode: string): ImportClaims {
  const granted = requireImport(claims);
  checkNode(granted, selfNode);
  checkListed(granted.blobs, blob);
  return granted;
}

/** The parts of an ExportBlobRequest that a grant speaks about. */
export interface ExportTerms {
  /** the blob */
  readonly digest: string;
  /** the image on whose behalf it is read; "" means the grant's */
  readonly imageDigest: string;
}

/**
 * Checks that a grant lets its bearer read a blob from this node.
 * @param selfNode the node of the agent that was called
 * @throws GrantError "wrong_*", "blob_not_listed"
 */
export function checkExport(claims: GrantClaims, terms: ExportTerms, selfNode: string): ExportClaims {
  if (claims.op !== "export")
    throw new GrantError("wrong_operation", `grant is for ${claims.op}, export is asked for`);
  if (terms.imageDigest !== "") checkDigest(claims, terms.imageDigest);
  checkListed(claims.blobs, terms.digest);
  if (!claims.sources.some((source) => source.node === selfNode)) {
    throw new GrantError("wrong_node", `grant does not name node ${JSON.stringify(selfNode)} as source`);
  }
  return claims;
}

/**
 * Remembers the newest leader. Ask it only about grants that are verified, or anybody could shut out the controller.
 */
export class EpochGuard {
  #largest = 0;

  /** The largest epoch seen so far. */
  get largest(): number {
    return this.#largest;
  }

  /**
   * Takes note of the epoch of a verified grant.
   * @throws GrantError "old_epoch" when a newer leader has been seen
   */
  check(claims: Pick<GrantClaims, "epoch">): void {
    if (claims.epoch < this.#largest) {
      throw new GrantError(
        "old_epoch",
        `grant was signed by leader ${claims.epoch}, leader ${this.#largest} has been seen since`,
      );
    }
    this.#largest = claims.epoch;
  }
}

function checkTarget(claims: GrantClaims, digest: string, selfNode: string): ImportClaims {
  const granted = requireImport(claims);
  checkNode(granted, selfNode);
  checkDigest(granted, digest);
  return granted;
}

function requireImport(claims: GrantClaims): ImportClaims {
  if (claims.op !== "import")
    throw new GrantError("wrong_operation", `grant is for ${claims.op}, import is asked for`);
  return claims;
}

function checkNode(claims: ImportClaims, selfNode: string): void {
  if (claims.target.node === selfNode) return;
  throw new GrantError(
    "wrong_node",
    `grant is for node ${JSON.stringify(claims.target.node)}, this is ${JSON.stringify(selfNode)}`,
  );
}

function checkDigest(claims: GrantClaims, digest: string): void {
  if (claims.digest === digest) return;
  throw new GrantError("wrong_digest", `grant is for image ${claims.digest}, not ${JSON.stringify(digest)}`);
}

function checkListed(blobs: readonly string[], blob: string): void {
  if (blobs.includes(blob)) return;
  throw new GrantError(
    "blob_not_listed",
    `grant lists ${blobs.length} blobs, ${JSON.stringify(blob)} is not among them`,
  );
}

function checkEndpoints(sources: readonly GrantSource[]): void {
  try {
    for (const [index, source] of sources.entries()) {
      parseEndpoint(source.endpoint, { insecure: false }, `sources[${index}].endpoint`);
    }
  } catch (error) {
    if (error instanceof InvalidValueError) throw new GrantError("malformed", `grant claim ${error.message}`);
    throw error;
  }
}

function normalizeGranted(name: string, index: number): string {
  try {
    return normalizeReference(name, `names[${index}]`);
  } catch (error) {
    if (error instanceof InvalidValueError) throw new GrantError("malformed", `grant claim ${error.message}`);
    throw error;
  }
}

function checkSame(
  code: "wrong_names" | "wrong_sources",
  what: string,
  asked: readonly string[],
  granted: readonly string[],
): void {
  const extra = asked.find((item) => !granted.includes(item));
  if (extra !== undefined) throw new GrantError(code, `${what} ${extra} is not in the grant`);
  const missing = granted.find((item) => !asked.includes(item));
  if (missing !== undefined) {
    throw new GrantError(code, `${what} ${missing} of the grant is missing in the request`);
  }
}

function describeSource(source: GrantSource): string {
  return `${quote(source.node)} at ${source.endpoint}`;
}

function quote(text: string): string {
  return JSON.stringify(text);
}
