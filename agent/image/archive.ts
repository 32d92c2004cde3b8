import { Code, ConnectError } from "@connectrpc/connect";

import { parseReference } from "../../lib/reference.ts";
import type { Descriptor } from "./manifest.ts";
import { OCI_INDEX } from "./manifest.ts";
import { tarEnd, tarHeader, tarPadding } from "./tar.ts";
import { blobsOf, type ImageTree } from "./tree.ts";

/** Reads a blob of this node from an offset on. */
export type ReadWhole = (digest: string, size: number) => AsyncIterable<Uint8Array>;

/**
 * An image of one platform as a tar that `ctr images import` and `docker load` take: an OCI image layout 1.0 with
 * docker's manifest.json beside it. Children of an index that are for other platforms are left out, as they are after
 * a pull.
 * @throws ConnectError data_loss when a blob of this node is shorter than it should be; whatever `read` throws
 * @param names records that point at the image; only those with a tag or digest go in
 */
export async function* imageArchive(
  tree: ImageTree,
  names: readonly string[],
  read: ReadWhole,
): AsyncGenerator<Uint8Array> {
  yield* textFile("oci-layout", { imageLayoutVersion: "1.0.0" });
  yield* textFile("index.json", layoutIndex(tree.target, names));
  yield* textFile("manifest.json", dockerManifest(tree, names));
  for (const { digest, size } of blobsOf(tree)) {
    yield tarHeader(blobPath(digest), size);
    yield* whole(digest, size, read(digest, size));
    const padding = tarPadding(size);
    if (padding.length > 0) yield padding;
  }
  yield tarEnd();
}

/** containerd does not notice when the file of a blob is shorter than it was. */
async function* whole(
  digest: string,
  size: number,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let sent = 0;
  for await (const chunk of chunks) {
    sent += chunk.length;
    yield chunk;
  }
  if (sent !== size) {
    throw new ConnectError(`blob ${digest} ended at byte ${sent} of ${size} on this node`, Code.DataLoss);
  }
}

function layoutIndex(target: Descriptor, names: readonly string[]): unknown {
  const { mediaType, digest, size } = target;
  const descriptor = { mediaType, digest, size };
  const manifests = imageNames(names).map((name) => ({
    ...descriptor,
    annotations: {
      "io.containerd.image.name": name,
      "org.opencontainers.image.ref.name": parseReference(name).tag ?? digest,
    },
  }));
  return {
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: manifests.length > 0 ? manifests : [descriptor],
  };
}

function dockerManifest(tree: ImageTree, names: readonly string[]): unknown {
  return [
    {
      Config: blobPath(tree.config.digest),
      RepoTags: imageNames(names).filter((name) => parseReference(name).tag !== undefined),
      Layers: tree.layers.map((layer) => blobPath(layer.digest)),
    },
  ];
}

/** Leaves out records that are config digests. */
function imageNames(names: readonly string[]): readonly string[] {
  return names.filter((name) => !name.startsWith("sha256:"));
}

function blobPath(digest: string): string {
  return `blobs/${digest.replace(":", "/")}`;
}

function* textFile(name: string, value: unknown): Generator<Uint8Array> {
  const bytes = Buffer.from(JSON.stringify(value));
  yield tarHeader(name, bytes.length);
  yield bytes;
  yield tarPadding(bytes.length);
}
