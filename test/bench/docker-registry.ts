/** Debian's docker-registry (CNCF distribution) as a process. */
import { mkdir, writeFile } from "node:fs/promises";
import { request, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

import type { BlobSource } from "../harness/blobs.ts";
import type { Cleanup } from "../harness/cleanup.ts";
import type { BuiltImage } from "../harness/image-builder.ts";
import type { NetworkNode } from "../harness/netns.ts";
import { commandLine, startProcess } from "../harness/processes.ts";
import { waitFor } from "../harness/wait.ts";

/** A registry that runs. */
export interface DockerRegistry {
  /** "http://ip:port" */
  readonly url: string;
  readonly pid: number;
  /** its storage */
  readonly dir: string;
  /** Uploads an image under "repository:tag" by the distribution API. */
  push(name: string, image: BuiltImage): Promise<void>;
}

const PORT = 5000;

/** Starts a registry in a network namespace of its own; what it holds is in `dir` and outlives it. */
export async function startDockerRegistry(options: {
  readonly cleanup: Cleanup;
  readonly network: NetworkNode;
  readonly dir: string;
}): Promise<DockerRegistry> {
  const { cleanup, network, dir } = options;
  const url = `http://${network.ip}:${PORT}`;
  await mkdir(dir, { recursive: true });
  const config = join(cleanup.directory(), "registry.yml");
  // as the package's own configuration, but without passwords; JSON is YAML
  const settings = {
    version: "0.1",
    log: { level: "warn", accesslog: { disabled: true } },
    storage: { cache: { blobdescriptor: "inmemory" }, filesystem: { rootdirectory: dir } },
    http: { addr: `${network.ip}:${PORT}` },
  };
  await writeFile(config, JSON.stringify(settings));
  const [command, ...args] = commandLine(network.prefix, "docker-registry", "serve", config);
  const { pid } = startProcess({ name: "docker-registry", command, args, cleanup });
  await waitFor(`${url}/v2/`, async () => (await fetch(`${url}/v2/`)).ok);
  return {
    url,
    pid,
    dir,
    async push(name, image) {
      const [repository = "", tag = ""] = name.split(":");
      const base = `${url}/v2/${repository}`;
      for (const [digest, blob] of image.blobs) {
        if (digest !== image.descriptor.digest) await pushBlob(base, blob);
      }
      const { digest, mediaType } = image.descriptor;
      const manifest = image.blobs.get(digest);
      if (manifest === undefined) throw new Error(`the image has no manifest ${digest}`);
      await upload(new URL(`${base}/manifests/${tag}`), manifest, mediaType);
    },
  };
}

/** Distribution spec, "Pushing a blob monolithically". */
async function pushBlob(base: string, blob: BlobSource): Promise<void> {
  const known = await fetch(`${base}/blobs/${blob.digest}`, { method: "HEAD" });
  if (known.ok) return;
  const begun = await fetch(`${base}/blobs/uploads/`, { method: "POST" });
  const location = begun.headers.get("location");
  if (location === null) throw new Error(`no upload begun at ${base}: status ${begun.status}`);
  const target = new URL(location, base);
  target.searchParams.set("digest", blob.digest);
  await upload(target, blob, "application/octet-stream");
}

async function upload(target: URL, blob: BlobSource, mediaType: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const headers = { "content-type": mediaType, "content-length": blob.size };
  const outgoing = request(target, { method: "PUT", headers });
  outgoing.once("response", resolve).once("error", reject);
  const [response] = await Promise.all([promise, pipeline(Readable.from(blob.read()), outgoing)]);
  response.resume();
  if (response.statusCode !== 201) throw new Error(`PUT ${target.href}: status ${response.statusCode}`);
}
