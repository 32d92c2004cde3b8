import { Code, ConnectError, createContextValues, type ConnectRouter } from "@connectrpc/connect";

import { startRpcServer, type RpcServer } from "../../../agent/rpc/server.ts";
import { isDigest } from "../../../lib/digest.ts";
import { silentLogger } from "../../../lib/log.ts";
import { normalizeReference } from "../../../lib/reference.ts";
import type { TlsMaterial } from "../../../lib/tls.ts";
import { AgentService, type ImportImageRequest } from "../../../proto/gen/tote/agent/v1/agent_pb.ts";
import { asJson, asText } from "../apiserver/json.ts";
import type { SimulatedImage } from "./image.ts";
import { SimulatedImport, type Pace, type ReadableNode } from "./import.ts";
import type { Ledger } from "./ledger.ts";
import {
  listReply,
  nodeReply,
  progressReply,
  resolveReply,
  resultReply,
  type ImportReply,
  type NamedImage,
} from "./replies.ts";

/** A call as it arrived. */
export interface AgentCall {
  /** e.g. "ResolveImage" */
  readonly method: string;
  /** reference or digest, "" where there is none */
  readonly about: string;
  /** what its grant says, with TLS */
  readonly record: string;
  readonly epoch: number;
}

/** Options of a SimulatedAgent. */
export interface SimulatedAgentOptions {
  readonly node: string;
  /** IP address */
  readonly host: string;
  /** 0 takes any */
  readonly port: number;
  /** undefined: plaintext, without grants */
  readonly tls: TlsMaterial | undefined;
  readonly pace: Pace;
  readonly ledger: Ledger;
  readonly readable: (node: string) => ReadableNode | undefined;
}

interface Held {
  readonly image: SimulatedImage;
  readonly names: Set<string>;
  /** its content is missing */
  isDamaged: boolean;
}

/** An image as a node has it. */
export interface FoundImage extends NamedImage {
  readonly names: readonly string[];
  /** its records are there, and its content is not */
  readonly isDamaged: boolean;
}

/** An agent without a containerd: it answers the controller over RPC as one would, and moves nothing but numbers. */
export class SimulatedAgent implements ReadableNode {
  readonly node: string;
  readonly #options: SimulatedAgentOptions;
  readonly #images = new Map<string, Held>();
  readonly #imports = new Map<string, SimulatedImport>();
  /** bytes of imports that have failed, by digest */
  readonly #kept = new Map<string, number>();
  readonly #calls: AgentCall[] = [];
  /** called with each call before it is worked on, which waits for what is returned; set by tests */
  onCall: (call: AgentCall) => Promise<void> | undefined = () => undefined;
  #tls: TlsMaterial | undefined;
  #server: RpcServer | undefined;
  #port: number;
  #bytesReceived = 0;

  constructor(options: SimulatedAgentOptions) {
    this.node = options.node;
    this.#options = options;
    this.#port = options.port;
    this.#tls = options.tls;
  }

  get url(): string {
    return `${this.#tls === undefined ? "http" : "https"}://${this.#options.host}:${this.#port}`;
  }

  get host(): string {
    return this.#options.host;
  }

  get port(): number {
    return this.#port;
  }

  /** Calls since the beginning. */
  get calls(): readonly AgentCall[] {
    return this.#calls;
  }

  /** bytes that imports have brought */
  get bytesReceived(): number {
    return this.#bytesReceived;
  }

  /** What the node has. */
  get images(): readonly NamedImage[] {
    return [...this.#images.values()];
  }

  /** Bytes of an image that an import under way has stored so far; 0 without one. */
  arrived(digest: string): number {
    return this.#imports.get(digest)?.received ?? 0;
  }

  /** Puts an image on the node. */
  put(image: SimulatedImage, ...names: readonly string[]): void {
    const held = this.#images.get(image.digest) ?? { image, names: new Set(), isDamaged: false };
    held.isDamaged = false;
    for (const name of names) {
      for (const other of this.#images.values()) other.names.delete(normalizeReference(name));
      held.names.add(normalizeReference(name));
    }
    this.#images.set(image.digest, held);
  }

  /** Loses the content of an image; its names stay. */
  damage(digest: string): void {
    const held = this.#images.get(digest);
    if (held !== undefined) held.isDamaged = true;
  }

  /** What a reference or digest is on this node. */
  find(reference: string): FoundImage | undefined {
    const held = isDigest(reference)
      ? this.#images.get(reference)
      : this.#named(normalizeReference(reference));
    return held && { ...held, names: [...held.names].sort() };
  }

  serve(digest: string): SimulatedImage | undefined {
    const held = this.#images.get(digest);
    return this.#server === undefined || held?.isDamaged === true ? undefined : held?.image;
  }

  async start(): Promise<void> {
    const tls = this.#tls;
    this.#server = await startRpcServer({
      host: this.#options.host,
      port: this.#port,
      ...(tls !== undefined && { tls }),
      insecure: tls === undefined,
      routes: (router) => this.#routes(router),
      fallback: (_request, response) => {
        response.statusCode = 404;
        response.end();
      },
      interceptors: [],
      contextValues: () => createContextValues(),
      logger: silentLogger,
      shutdownSignal: new AbortController().signal,
    });
    this.#port = this.#server.port;
  }

  /** Dies: imports to it break off, others lose it as a source. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const one of this.#imports.values()) one.stop(Code.Unavailable, "the agent stops");
    await server?.close({ graceMs: 0 });
  }

  /** Dies and comes back with other certificates, on the same port. */
  async restart(tls: TlsMaterial | undefined = this.#tls): Promise<void> {
    await this.stop();
    this.#tls = tls;
    await this.start();
  }

  #named(name: string): Held | undefined {
    return [...this.#images.values()].find(
      ({ image, names }) => names.has(name) || name.endsWith(`@${image.digest}`),
    );
  }

  #routes(router: ConnectRouter): void {
    const { getNode, listImages, resolveImage, importImage, cancelImport, removeImage } = AgentService.method;
    router.rpc(getNode, async () => {
      await this.#called("GetNode", "");
      return nodeReply(this.node, this.#imports.size);
    });
    router.rpc(listImages, () => listReply(this.images));
    router.rpc(resolveImage, async ({ reference }) => {
      await this.#called("ResolveImage", reference);
      const found = this.find(reference);
      if (found === undefined) throw new ConnectError(`${reference} is not here`, Code.NotFound);
      return resolveReply(found);
    });
    router.rpc(importImage, (request, { signal }) => this.#import(request, signal));
    router.rpc(cancelImport, async ({ digest, grant }) => {
      await this.#called("CancelImport", digest, grant);
      const running = this.#imports.get(digest);
      running?.stop(Code.Canceled, "the import was cancelled");
      const isKept = this.#kept.delete(digest);
      return { cancelled: running !== undefined || isKept };
    });
    router.rpc(removeImage, async ({ name, digest, keepRunnable }) => {
      await this.#called("RemoveImage", name);
      const held = this.#images.get(digest);
      if (keepRunnable && held?.isDamaged === false) {
        throw new ConnectError(`${name} can be run here: nothing was removed`, Code.FailedPrecondition);
      }
      return { removed: held?.names.delete(normalizeReference(name)) === true };
    });
  }

  async *#import(request: ImportImageRequest, signal: AbortSignal): AsyncGenerator<ImportReply> {
    const { digest, names } = request;
    await this.#called("ImportImage", digest, request.grant);
    const here = this.#images.get(digest);
    if (here?.isDamaged === false) {
      this.put(here.image, ...names);
      yield resultReply(here.image, { transferred: 0, reused: here.image.bytes, sources: [] }, names);
      return;
    }
    const running = this.#imports.get(digest) ?? this.#begin(request);
    for await (const { total, received } of running.progress(signal)) {
      yield progressReply(total, received);
    }
    const image = await running.done;
    this.put(image, ...names);
    yield resultReply(image, { transferred: image.bytes, reused: 0, sources: running.used }, names);
  }

  #begin({ digest, names, sources }: ImportImageRequest): SimulatedImport {
    const { ledger, pace, readable } = this.#options;
    const nodes = sources.map(({ node }) => node);
    const end = ledger.begin({ target: this.node, digest, sources: nodes });
    const resumedBytes = this.#kept.get(digest) ?? 0;
    this.#kept.delete(digest);
    const lost = (node: string): ReadableNode => ({ node, serve: () => undefined });
    const made = new SimulatedImport({
      digest,
      sources: nodes.map((node) => readable(node) ?? lost(node)),
      pace,
      resumedBytes,
    });
    this.#imports.set(digest, made);
    const settle = (): void => {
      end();
      this.#imports.delete(digest);
      this.#bytesReceived += made.received - resumedBytes;
    };
    made.done.then(
      (image) => {
        settle();
        this.put(image, ...names);
      },
      (error: unknown) => {
        settle();
        if (ConnectError.from(error).code !== Code.Canceled) this.#kept.set(digest, made.received);
      },
    );
    return made;
  }

  async #called(method: string, about: string, grant = ""): Promise<void> {
    const payload = grant.split(".")[1] ?? "";
    const claims = payload === "" ? {} : asJson(JSON.parse(Buffer.from(payload, "base64url").toString()));
    const call = { method, about, record: asText(claims["record"]), epoch: Number(claims["epoch"] ?? 0) };
    this.#calls.push(call);
    await this.onCall(call);
  }
}
