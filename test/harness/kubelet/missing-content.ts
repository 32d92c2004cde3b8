import { asJson, asList, asText, type Json } from "../apiserver/json.ts";
import { sha256 } from "../blobs.ts";
import type { ContainerdNode } from "../containerd-node.ts";
import { ctr, type Ctr } from "../ctr.ts";
import { hostPlatform } from "../platform.ts";

/**
 * Says what containerd would when a container of an image is made whose record is there but whose content is not;
 * undefined when it could be made. CRI's ImageStatus says yes to such an image. The words are those of containerd 1.6.
 */
export async function missingContent(node: ContainerdNode, image: string): Promise<string | undefined> {
  const tool = ctr(node);
  const record = (await tool.images()).find(({ name }) => name === image || name === withTag(image));
  if (record === undefined) return undefined;
  const manifest = await platformManifest(tool, record.digest);
  if (manifest.kind === "missing") return notFound(manifest.digest);
  const config = asText(asJson(manifest.content["config"])["digest"]);
  const parsed = await read(tool, config);
  if (parsed === undefined) return `failed to resolve rootfs: ${notFound(config)}`;
  const diffIds = asList(asJson(parsed["rootfs"])["diff_ids"]).map(asText);
  const layers = asList(manifest.content["layers"]).map((layer) => asText(asJson(layer)["digest"]));
  const snapshots = new Set((await tool.snapshots()).map(({ key }) => key));
  const blobs = new Set((await tool.content()).map(({ digest }) => digest));
  let chain = "";
  for (const [at, diffId] of diffIds.entries()) {
    chain = chain === "" ? diffId : sha256(`${chain} ${diffId}`);
    const layer = layers[at] ?? "";
    if (!snapshots.has(chain) && !blobs.has(layer)) {
      return `failed to extract layer ${diffId}: failed to get reader from content store: ${notFound(layer)}`;
    }
  }
  return undefined;
}

type Manifest =
  { readonly kind: "found"; readonly content: Json } | { readonly kind: "missing"; readonly digest: string };

/** The manifest for this machine; of an index the one that fits. */
async function platformManifest(tool: Ctr, digest: string): Promise<Manifest> {
  const content = await read(tool, digest);
  if (content === undefined) return { kind: "missing", digest };
  if (content["manifests"] === undefined) return { kind: "found", content };
  const { os, architecture } = hostPlatform();
  const fitting = asList(content["manifests"])
    .map(asJson)
    .find(
      ({ platform }) => asJson(platform)["os"] === os && asJson(platform)["architecture"] === architecture,
    );
  return await platformManifest(tool, asText(fitting?.["digest"]));
}

async function read(tool: Ctr, digest: string): Promise<Json | undefined> {
  const isThere = (await tool.content()).some((blob) => blob.digest === digest);
  return isThere ? asJson(JSON.parse(await tool.exec(["content", "get", digest]))) : undefined;
}

function notFound(digest: string): string {
  return `content digest ${digest}: not found`;
}

function withTag(image: string): string {
  return image.includes("@") || /:[^/]+$/.test(image) ? image : `${image}:latest`;
}
