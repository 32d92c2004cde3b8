import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Cleanup } from "./cleanup.ts";
import type { ContainerdNode } from "./containerd-node.ts";
import type { Built } from "./image-builder.ts";
import { RegistryStore } from "./registry-store.ts";
import type { Served } from "./registry-store.ts";

/** One request that the registry got. */
export interface RegistryRequest {
  readonly method: string;
  /** path and query */
  readonly url: string;
  /** status answered, 0 for none */
  readonly status: number;
  /** value of the Range header */
  readonly range: string | undefined;
}

/** What goes wrong with a manifest or blob. */
export type RegistryFault =
  /** send this many bytes of the body, then nothing, with the connection open */
  | { readonly kind: "hang"; readonly afterBytes: number }
  /** send this many bytes of the body, then close the connection */
  | { readonly kind: "cut"; readonly afterBytes: number }
  /** never answer */
  | { readonly kind: "silent" }
  | { readonly kind: "status"; readonly status: number };

/** A small OCI distribution server, plain HTTP, for pulls. */
export interface Registry {
  /** "http://host:port" */
  readonly url: string;
  readonly port: number;
  /** every request since the start, in order of arrival */
  readonly requests: readonly RegistryRequest[];
  /** Serves an image under "repository:tag" (without host) and under its digest. */
  add(name: string, image: Built): Promise<void>;
  /** Forgets a "repository:tag"; digests stay. */
  remove(name: string): void;
  /** Makes every request for this digest or tag fail until heal(). */
  fault(target: string, fault: RegistryFault): void;
  /** Asks for this user and password in Basic authentication from now on. */
  requireAuth(user: string, password: string): void;
  /** Removes all faults; connections that hang are closed. */
  heal(): void;
  /** Writes hosts.toml so that this node's CRI pulls from host (e.g. "registry.test:5000", "docker.io") come here. */
  attach(node: ContainerdNode, host: string): Promise<void>;
  /** Stops listening and closes every connection: from now on the registry is gone. */
  close(): Promise<void>;
}

/** Starts a registry; `host` is the address to listen on, default 127.0.0.1. */
export async function startRegistry(options: {
  readonly cleanup: Cleanup;
  readonly host?: string;
}): Promise<Registry> {
  const { cleanup, host = "127.0.0.1" } = options;
  const store = new RegistryStore();
  const faults = new Map<string, RegistryFault>();
  const hanging = new Set<ServerResponse>();
  const requests: { method: string; url: string; status: number; range: string | undefined }[] = [];
  let password: string | undefined;

  const server = createServer((request, response) => {
    const { method = "", url = "" } = request;
    const entry = { method, url, status: 0, range: request.headers.range };
    requests.push(entry);
    void answer(request, response)
      .catch(() => {
        // the client went away in the middle
        response.destroy();
      })
      .finally(() => {
        entry.status = response.headersSent ? response.statusCode : 0;
      });
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (password !== undefined && request.headers.authorization !== `Basic ${password}`) {
      response.writeHead(401, { "WWW-Authenticate": 'Basic realm="registry"' }).end();
      return;
    }
    const { pathname } = new URL(request.url ?? "", "http://localhost");
    if (pathname === "/v2/") {
      response.writeHead(200).end();
      return;
    }
    const [, repository = "", kind, reference = ""] =
      /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(pathname) ?? [];
    const served =
      kind === "manifests" ? store.manifest(repository, reference) : store.blob(repository, reference);
    const fault = faults.get(reference) ?? (served && faults.get(served.blob.digest));
    if (fault?.kind === "silent") {
      hanging.add(response);
    } else if (fault?.kind === "status") {
      response.writeHead(fault.status).end();
    } else if (served === undefined) {
      response.writeHead(404, { "Content-Type": "application/json" }).end('{"errors":[]}');
    } else {
      await send(request, response, served, fault);
    }
  }

  async function send(
    request: IncomingMessage,
    response: ServerResponse,
    { blob, mediaType }: Served,
    fault: (RegistryFault & { readonly afterBytes: number }) | undefined,
  ): Promise<void> {
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    response.writeHead(from > 0 ? 206 : 200, {
      "Content-Type": mediaType,
      "Content-Length": blob.size - from,
      "Docker-Content-Digest": blob.digest,
      ...(from > 0 && { "Content-Range": `bytes ${from}-${blob.size - 1}/${blob.size}` }),
    });
    if (request.method === "HEAD") {
      response.end();
    } else if (fault === undefined) {
      await pipeline(blob.read(from), response);
    } else {
      for await (const piece of upTo(blob.read(from), fault.afterBytes)) response.write(piece);
      if (fault.kind === "cut") response.end(() => response.destroy());
      else hanging.add(response);
    }
  }

  function heal(): void {
    faults.clear();
    for (const response of hanging) response.destroy();
    hanging.clear();
  }

  async function close(): Promise<void> {
    forget();
    if (!server.listening) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }

  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, host, resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error(`the registry got no port on ${host}`);
  const url = `http://${host}:${address.port}`;
  const forget = cleanup.add({ name: "close the registry", undo: close });
  return {
    url,
    port: address.port,
    requests,
    add: (name, image) => store.add(name, image),
    remove: (name) => store.remove(name),
    fault: (target, fault) => void faults.set(target, fault),
    requireAuth(user, secret) {
      password = Buffer.from(`${user}:${secret}`).toString("base64");
    },
    heal,
    attach: (node, name) => attachRegistry(node, name, url),
    close,
  };
}

/** Writes hosts.toml so that this node's CRI pulls from `host` go to the registry at `url`. */
export async function attachRegistry(node: ContainerdNode, host: string, url: string): Promise<void> {
  const folder = join(node.configPath, host);
  await mkdir(folder, { recursive: true });
  const server = JSON.stringify(url);
  const lines = [`server = ${server}`, `[host.${server}]`, '  capabilities = ["pull", "resolve"]', ""];
  await writeFile(join(folder, "hosts.toml"), lines.join("\n"));
}

async function* upTo(pieces: AsyncIterable<Uint8Array>, limit: number): AsyncGenerator<Uint8Array> {
  let left = limit;
  for await (const piece of pieces) {
    if (left <= 0) return;
    yield piece.subarray(0, left);
    left -= piece.length;
  }
}
