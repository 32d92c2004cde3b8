import { jsonBlob, sha256 } from "./blobs.ts";
import type { BlobSource, Descriptor, Platform } from "./blobs.ts";
import type { Built, BuiltImage } from "./image-builder.ts";

/** An index of images. */
export interface BuiltIndex extends Built {
  readonly images: readonly BuiltImage[];
}

/** Options of buildIndex. */
export interface IndexSpec {
  readonly images: readonly BuiltImage[];
  /** platforms that the index names but whose content exists nowhere */
  readonly absent?: readonly Platform[];
  /** add an attestation manifest (platform unknown/unknown) per image, as buildx does; default false */
  readonly attestations?: boolean;
  /** default "oci" */
  readonly mediaTypes?: "oci" | "docker";
}

const types = {
  oci: {
    index: "application/vnd.oci.image.index.v1+json",
    manifest: "application/vnd.oci.image.manifest.v1+json",
  },
  docker: {
    index: "application/vnd.docker.distribution.manifest.list.v2+json",
    manifest: "application/vnd.docker.distribution.manifest.v2+json",
  },
} as const;

/** Builds an index (OCI) or manifest list (Docker): images first, then absent platforms, then attestations. */
export function buildIndex(spec: IndexSpec): BuiltIndex {
  const { images, absent = [], attestations = false, mediaTypes = "oci" } = spec;
  const blobs = new Map<string, BlobSource>();
  const manifests: Descriptor[] = [];
  for (const image of images) {
    for (const [digest, blob] of image.blobs) blobs.set(digest, blob);
    manifests.push({ ...image.descriptor, platform: image.platform });
  }
  for (const platform of absent) {
    const made = JSON.stringify({ absent: platform, beside: images.map((image) => image.descriptor.digest) });
    manifests.push({
      mediaType: types[mediaTypes].manifest,
      digest: sha256(made),
      size: made.length,
      platform,
    });
  }
  if (attestations) {
    for (const image of images) manifests.push(addAttestation(blobs, image));
  }
  const index = jsonBlob({ schemaVersion: 2, mediaType: types[mediaTypes].index, manifests });
  blobs.set(index.digest, index);
  return { descriptor: describe(index, types[mediaTypes].index), blobs, images };
}

/** BuildKit's attestation storage: a manifest with an empty image configuration and in-toto statements as layers. */
function addAttestation(blobs: Map<string, BlobSource>, image: BuiltImage): Descriptor {
  const statement = jsonBlob({
    _type: "https://in-toto.io/Statement/v0.1",
    predicateType: "https://slsa.dev/provenance/v0.2",
    subject: [{ name: "image", digest: { sha256: image.descriptor.digest.slice("sha256:".length) } }],
    predicate: {},
  });
  const config = jsonBlob({
    architecture: "unknown",
    os: "unknown",
    config: {},
    rootfs: { type: "layers", diff_ids: [statement.digest] },
  });
  const manifest = jsonBlob({
    schemaVersion: 2,
    mediaType: types.oci.manifest,
    config: describe(config, "application/vnd.oci.image.config.v1+json"),
    layers: [describe(statement, "application/vnd.in-toto+json")],
  });
  for (const blob of [statement, config, manifest]) blobs.set(blob.digest, blob);
  return {
    ...describe(manifest, types.oci.manifest),
    annotations: {
      "vnd.docker.reference.digest": image.descriptor.digest,
      "vnd.docker.reference.type": "attestation-manifest",
    },
    platform: { os: "unknown", architecture: "unknown" },
  };
}

function describe(blob: BlobSource, mediaType: string): Descriptor {
  return { mediaType, digest: blob.digest, size: blob.size };
}
