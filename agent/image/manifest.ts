/** Reading indexes, manifests and configurations: OCI image-spec v1.1 and Docker schema 2. */

/** A content descriptor as manifests hold it. */
export interface Descriptor {
  readonly mediaType: string;
  /** "sha256:<64 hex>" */
  readonly digest: string;
  /** bytes */
  readonly size: number;
}

/** An index entry; platform is absent when the index does not say. */
export interface IndexEntry extends Descriptor {
  readonly platform?: { readonly os?: string; readonly architecture?: string; readonly variant?: string };
}

/** A parsed index (manifest list) or manifest. */
export type Manifest =
  | { readonly kind: "index"; readonly mediaType: string; readonly entries: readonly IndexEntry[] }
  | {
      readonly kind: "manifest";
      readonly mediaType: string;
      readonly config: Descriptor;
      readonly layers: readonly Descriptor[];
    };

/** What an image configuration says that matters for unpacking. */
export interface ImageConfig {
  readonly platform: { readonly os: string; readonly architecture: string; readonly variant: string };
  /** sha256 of each layer's uncompressed tar, bottom first */
  readonly diffIds: readonly string[];
}

/** Content that is not a container image, or not a well-formed one. */
export class InvalidImageError extends Error {
  override readonly name = "InvalidImageError";
}

export const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json";
export const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";

const DIGEST = /^sha256:[0-9a-f]{64}$/;
const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * Parses an index or manifest. Its kind follows `mediaType`, or its members when it has none (OCI allows that).
 * @throws InvalidImageError when it is neither, is both (which readers could take differently), or is malformed
 */
export function parseManifest(bytes: Uint8Array, digest: string): Manifest {
  const json = parseObject(bytes, `manifest ${digest}`);
  const declared = typeof json["mediaType"] === "string" ? json["mediaType"] : undefined;
  if (json["schemaVersion"] === 1) {
    throw new InvalidImageError(
      `manifest ${digest} is docker schema 1, which containerd 2 cannot run: rebuild it`,
    );
  }
  const isIndex = "manifests" in json;
  const isManifest = "layers" in json || "config" in json;
  if (isIndex && isManifest) {
    throw new InvalidImageError(`manifest ${digest} has both "manifests" and "layers": refused as ambiguous`);
  }
  const kinds = isIndex ? [OCI_INDEX, DOCKER_LIST] : [OCI_MANIFEST, DOCKER_MANIFEST];
  if (!isIndex && !isManifest) {
    throw new InvalidImageError(`${digest} is not an image: it has neither "manifests" nor "layers"`);
  }
  if (declared !== undefined && !kinds.includes(declared)) {
    throw new InvalidImageError(
      `manifest ${digest} has media type "${declared}", which must be ${kinds.join(" or ")}`,
    );
  }
  const mediaType = declared ?? kinds[0] ?? OCI_MANIFEST;
  if (isIndex) {
    return {
      kind: "index",
      mediaType,
      entries: list(json["manifests"], `manifests of ${digest}`).map((entry) => indexEntry(entry, digest)),
    };
  }
  return {
    kind: "manifest",
    mediaType,
    config: descriptor(json["config"], `config of ${digest}`),
    layers: list(json["layers"], `layers of ${digest}`).map((entry) =>
      descriptor(entry, `layer of ${digest}`),
    ),
  };
}

/**
 * Parses an image configuration.
 * @throws InvalidImageError when it has no root filesystem (artifacts such as charts or signatures do not)
 */
export function parseConfig(bytes: Uint8Array, digest: string): ImageConfig {
  const json = parseObject(bytes, `config ${digest}`);
  const rootfs = json["rootfs"];
  if (!isObject(rootfs) || !Array.isArray(rootfs["diff_ids"])) {
    throw new InvalidImageError(`config ${digest} has no rootfs.diff_ids: it is not a container image`);
  }
  const diffIds = rootfs["diff_ids"].map((value: unknown) => {
    if (typeof value !== "string" || !DIGEST.test(value)) {
      throw new InvalidImageError(
        `config ${digest} has the diff id ${JSON.stringify(value)}, which must be sha256:<64 hex>`,
      );
    }
    return value;
  });
  const text = (key: string): string => (typeof json[key] === "string" ? json[key] : "");
  return {
    platform: { os: text("os"), architecture: text("architecture"), variant: text("variant") },
    diffIds,
  };
}

function indexEntry(value: unknown, digest: string): IndexEntry {
  const entry = descriptor(value, `manifest in ${digest}`);
  if (!isObject(value) || !isObject(value["platform"])) return entry;
  const { os, architecture, variant } = value["platform"];
  return {
    ...entry,
    platform: {
      ...(typeof os === "string" && { os }),
      ...(typeof architecture === "string" && { architecture }),
      ...(typeof variant === "string" && { variant }),
    },
  };
}

function descriptor(value: unknown, what: string): Descriptor {
  if (!isObject(value)) throw new InvalidImageError(`${what} is missing or no object`);
  const { mediaType, digest, size } = value;
  if (typeof digest !== "string" || !DIGEST.test(digest)) {
    throw new InvalidImageError(
      `${what} has the digest ${JSON.stringify(digest)}, which must be sha256:<64 hex>`,
    );
  }
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw new InvalidImageError(
      `${what} has the size ${JSON.stringify(size)}, which must be a number of bytes`,
    );
  }
  return { mediaType: typeof mediaType === "string" ? mediaType : "", digest, size };
}

function list(value: unknown, what: string): readonly unknown[] {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) throw new InvalidImageError(`${what} is no array`);
  return value;
}

function parseObject(bytes: Uint8Array, what: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes));
  } catch (cause) {
    throw new InvalidImageError(`${what} is not JSON`, { cause });
  }
  if (!isObject(value)) throw new InvalidImageError(`${what} is no JSON object`);
  return value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
