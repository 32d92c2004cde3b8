import { request, type IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

import { readManifest, type BlobSource } from "./blobs.ts";
import type { Built } from "./image-builder.ts";

/**
 * Uploads an image or an index by the distribution API (distribution spec, "Push").
 * @param base of the registry, "http://ip:port"
 * @param name "repository:tag"
 */
export async function pushImage(base: string, name: string, image: Built): Promise<void> {
  const [repository = "", tag = ""] = name.split(":");
  const url = `${base}/v2/${repository}`;
  const { digest, mediaType } = image.descriptor;
  const root = image.blobs.get(digest);
  if (root === undefined)
    throw new Error(`cannot push ${name}: the image has no blob for its root ${digest}`);
  const children = (await readManifest(root)).manifests ?? [];
  const manifests = new Set([digest, ...children.map((child) => child.digest)]);
  for (const [blobDigest, blob] of image.blobs) {
    if (!manifests.has(blobDigest)) await pushBlob(url, blob);
  }
  for (const child of children) {
    const blob = image.blobs.get(child.digest);
    if (blob !== undefined) await put(new URL(`${url}/manifests/${child.digest}`), blob, child.mediaType);
  }
  await put(new URL(`${url}/manifests/${tag}`), root, mediaType);
}

async function pushBlob(url: string, blob: BlobSource): Promise<void> {
  const known = await fetch(`${url}/blobs/${blob.digest}`, { method: "HEAD" });
  if (known.ok) return;
  const begun = await fetch(`${url}/blobs/uploads/`, { method: "POST" });
  await begun.body?.cancel();
  const location = begun.headers.get("location");
  if (location === null) throw new Error(`no upload begun at ${url}: status ${begun.status}`);
  const target = new URL(location, url);
  target.searchParams.set("digest", blob.digest);
  await put(target, blob, "application/octet-stream");
}

async function put(target: URL, blob: BlobSource, mediaType: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const headers = { "content-type": mediaType, "content-length": blob.size };
  const outgoing = request(target, { method: "PUT", headers });
  outgoing.once("response", resolve).once("error", reject);
  const [response] = await Promise.all([promise, pipeline(Readable.from(blob.read()), outgoing)]);
  response.resume();
  if (response.statusCode !== 201) throw new Error(`PUT ${target.href}: status ${response.statusCode}`);
}
