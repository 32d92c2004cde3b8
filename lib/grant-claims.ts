import { assertDigest } from "./digest.ts";
import { InvalidValueError } from "./errors.ts";
import { GrantError } from "./grant-error.ts";

/** A node to read from, and the URL of its agent. */
export interface GrantSource {
  readonly node: string;
  readonly endpoint: string;
}

/** What every grant says. Names are those of the JSON inside the token. */
interface CommonClaims {
  /** unique id of the grant */
  readonly jti: string;
  /** not before, in seconds since 1970 */
  readonly nbf: number;
  /** expires, in seconds since 1970 */
  readonly exp: number;
  /** the image: its index or manifest */
  readonly digest: string;
  /** the node that gets the image */
  readonly target: { readonly node: string };
  /** the nodes that give it, best first */
  readonly sources: readonly GrantSource[];
  /** the salvage record behind the grant, "namespace/name" */
  readonly record: string;
  /** term of the leader that signed: grows with every new leader */
  readonly epoch: number;
}

/** Lets the target agent bring one image to its node. */
export interface ImportClaims extends CommonClaims {
  readonly op: "import";
  /** the references that may be created */
  readonly names: readonly string[];
  /** largest image in compressed bytes; 0 means no limit */
  readonly max_bytes: number;
  /** blobs that the caller may push with ImportBlob; empty when the agent fetches them itself */
  readonly blobs: readonly string[];
  /** the compact JWS that the target agent shows to the sources; "" when there is nothing to fetch */
  readonly export_grant: string;
}

/** Lets an agent read the blobs of one image from the sources. */
export interface ExportClaims extends CommonClaims {
  readonly op: "export";
  /** every blob that may be read: index, manifests, configs, layers */
  readonly blobs: readonly string[];
}

/** What a grant says. */
export type GrantClaims = ImportClaims | ExportClaims;

/** What a grant may allow. */
export type GrantOperation = GrantClaims["op"];

/**
 * Checks that the payload of a token is a complete set of claims and nothing of the wrong type. Claims it does not know
 * are dropped.
 * @throws GrantError "malformed" that names the claim
 */
export function parseGrantClaims(payload: unknown): GrantClaims {
  const claims = asObject("claims", payload);
  const common = {
    jti: text(claims, "jti"),
    nbf: count(claims, "nbf"),
    exp: count(claims, "exp"),
    digest: digest("digest", claims["digest"]),
    target: { node: text(asObject("target", claims["target"]), "node", "target.node") },
    sources: list("sources", claims["sources"]).map(parseSource),
    record: text(claims, "record"),
    epoch: count(claims, "epoch"),
  };
  const { op } = claims;
  if (op === "export") return { ...common, op, blobs: digests("blobs", claims["blobs"]) };
  if (op !== "import") throw malformed("op", op, '"import" or "export"');
  return {
    ...common,
    op,
    names: list("names", claims["names"]).map((name, index) => asText(`names[${index}]`, name)),
    max_bytes: count(claims, "max_bytes"),
    blobs: claims["blobs"] === undefined ? [] : digests("blobs", claims["blobs"]),
    export_grant: claims["export_grant"] === undefined ? "" : asText("export_grant", claims["export_grant"]),
  };
}

function parseSource(value: unknown, index: number): GrantSource {
  const name = `sources[${index}]`;
  const source = asObject(name, value);
  return {
    node: text(source, "node", `${name}.node`),
    endpoint: text(source, "endpoint", `${name}.endpoint`),
  };
}

function asObject(name: string, value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw malformed(name, value, "an object");
  return { ...value };
}

function text(object: Record<string, unknown>, key: string, name = key): string {
  return asText(name, object[key]);
}

function asText(name: string, value: unknown): string {
  if (typeof value !== "string" || value === "") throw malformed(name, value, "a text that is not empty");
  return value;
}

function count(object: Record<string, unknown>, key: string): number {
  const value = object[key];
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw malformed(key, value, "a whole number of at least 0");
  }
  return value;
}

function list(name: string, value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw malformed(name, value, "a list");
  return value;
}

function digests(name: string, value: unknown): readonly string[] {
  return list(name, value).map((item, index) => digest(`${name}[${index}]`, item));
}

function digest(name: string, value: unknown): string {
  const found = asText(name, value);
  try {
    assertDigest(name, found);
  } catch (error) {
    if (error instanceof InvalidValueError) throw new GrantError("malformed", `grant claim ${error.message}`);
    throw error;
  }
  return found;
}

function malformed(name: string, value: unknown, expected: string): GrantError {
  const found = value === undefined ? "is missing" : `is ${JSON.stringify(value)?.slice(0, 100)}`;
  return new GrantError("malformed", `grant claim ${name} ${found}, must be ${expected}`);
}
