import { isNotFound } from "../containerd/errors.ts";
import type { CallOptions, ContentStore } from "../containerd/types.ts";
import { METADATA_MAX_BYTES } from "../limits.ts";
import { InvalidImageError, parseManifest, type Descriptor } from "./manifest.ts";

const CONFIG_LABEL = "containerd.io/gc.ref.content.config";
const FIRST_LAYER_LABEL = "containerd.io/gc.ref.content.l.0";
/** Media types that containerd takes for layers, whatever their compression (containerd images/mediatypes.go, IsLayerType). */
const LAYER_TYPE = /^application\/vnd\.(?:oci\.image\.layer|docker\.image\.rootfs)\./;

/**
 * Whether images here look as containerd leaves them when it discards unpacked layers, for one that does not tell: a
 * manifest that refers to its config and to no layer (containerd images/mediatypes.go, ChildGCLabelsFilterLayers), and
 * whose layers are not all here. Images without layers and attestations have no such references anywhere. A guess: after
 * `ctr content prune references` every node looks so.
 */
export async function looksDiscarding(
  content: Pick<ContentStore, "list" | "readAll" | "info">,
  options: CallOptions,
): Promise<boolean> {
  for await (const { digest, labels } of content.list([`labels."${CONFIG_LABEL}"`], options)) {
    if (labels[CONFIG_LABEL] === undefined || labels[FIRST_LAYER_LABEL] !== undefined) continue;
    for (const layer of await layersOf(digest, content, options)) {
      if ((await content.info(layer.digest, options)) === undefined) return true;
    }
  }
  return false;
}

/** The layers of a manifest; none of what is no manifest, is damaged, or has gone meanwhile. */
async function layersOf(
  digest: string,
  content: Pick<ContentStore, "readAll">,
  options: CallOptions,
): Promise<readonly Descriptor[]> {
  try {
    const bytes = await content.readAll(digest, { ...options, maxBytes: METADATA_MAX_BYTES });
    const manifest = parseManifest(bytes, digest);
    return manifest.kind === "manifest"
      ? manifest.layers.filter(({ mediaType }) => LAYER_TYPE.test(mediaType))
      : [];
  } catch (error) {
    if (error instanceof InvalidImageError || isNotFound(error)) return [];
    throw error;
  }
}
