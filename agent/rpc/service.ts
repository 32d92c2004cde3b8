import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";

import { byteCount } from "../../lib/byte-count.ts";
import { assertDigest } from "../../lib/digest.ts";
import { parseEndpoint } from "../../lib/endpoint.ts";
import { InvalidValueError } from "../../lib/errors.ts";
import { parseReference } from "../../lib/reference.ts";
import type {
  AgentService,
  CancelImportRequest,
  ExportBlobRequest,
  ImportImageRequest,
  ListImagesRequest,
  RemoveImageRequest,
} from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import type { Containerd } from "../containerd/types.ts";
import type { GrantGate } from "../grant-gate.ts";
import type { ImageExporter } from "../image/image-exporter.ts";
import type { LocalImages } from "../image/local-images.ts";
import { wantedNames } from "../image/names.ts";
import { MAX_NAMES, MAX_SOURCES, PAGE_DEFAULT, PAGE_MAX } from "../limits.ts";
import { readImageFs, type NodeFacts } from "../node-facts.ts";
import type { BlobExporter } from "../transfer/blob-exporter.ts";
import type { BlobImporter } from "../transfer/blob-importer.ts";
import type { ImportOrder } from "../transfer/import-job.ts";
import type { ImportManager } from "../transfer/import-manager.ts";
import { imageMessage, progressMessage, resolveMessage, resultMessage, toConnectError } from "./convert.ts";

/** Everything the service hands its calls to. */
export interface AgentServiceOptions {
  readonly nodeName: string;
  readonly version: string;
  readonly insecure: boolean;
  /** containerd's root folder as the agent sees it */
  readonly containerdRoot: string;
  readonly containerd: Containerd;
  readonly readFacts: (signal: AbortSignal) => Promise<NodeFacts>;
  readonly grants: GrantGate;
  readonly images: LocalImages;
  readonly imports: ImportManager;
  readonly blobImporter: BlobImporter;
  readonly blobExporter: BlobExporter;
  readonly imageExporter: ImageExporter;
}

/** tote.agent.v1.AgentService: checks requests, hands them on, and turns results and errors into messages. */
export function createAgentService(options: AgentServiceOptions): ServiceImpl<typeof AgentService> {
  const { containerd, grants, imports, readFacts } = options;

  return {
    getNode: unary(async (_request, { signal }) => {
      const [facts, version, room] = await Promise.all([
        readFacts(signal),
        containerd.version({ signal }),
        readImageFs(options.containerdRoot),
      ]);
      return {
        nodeName: options.nodeName,
        agentVersion: options.version,
        containerdVersion: version.version,
        platform: facts.platform,
        snapshotter: facts.snapshotter,
        ...(room !== undefined && {
          imageFsFreeBytes: BigInt(room.freeBytes),
          imageFsTotalBytes: BigInt(room.totalBytes),
        }),
        keepsLayers: facts.keepsLayers,
        activeImports: imports.active,
        activeExports: options.blobExporter.active,
      };
    }),

    listImages: unary(async (request: ListImagesRequest, { signal }) => {
      const limit = pageSize(request.pageSize);
      const page = { afterDigest: pageStart(request.pageToken), limit };
      const { images, more } = await options.images.list(page, await readFacts(signal), signal);
      return {
        images: images.map(imageMessage),
        nextPageToken: more ? (images.at(-1)?.target.digest ?? "") : "",
      };
    }),

    resolveImage: unary(async ({ reference }, { signal }) => {
      const facts = await readFacts(signal);
      const image = await options.images.resolve(reference, facts, signal);
      if (image === undefined) {
        throw new ConnectError(`${reference} is not on node ${options.nodeName}`, Code.NotFound);
      }
      return resolveMessage(image, facts.platform);
    }),

    exportBlob: stream(async function* (request: ExportBlobRequest, { signal }) {
      const { digest, imageDigest } = request;
      assertDigest("digest", digest);
      if (imageDigest !== "") assertDigest("image_digest", imageDigest);
      const offset = byteCount("offset", request.offset);
      const session = await grants.forExport({ digest, imageDigest, grant: request.grant });
      const blob = await options.blobExporter.open({ session, digest, offset, signal });
      try {
        yield { size: BigInt(blob.size) };
        for await (const data of blob.chunks) yield { data };
      } finally {
        blob.close();
      }
    }),

    importBlob: unary(async (requests, { signal }) => {
      const { committed, offset } = await options.blobImporter.import(requests, signal);
      return { committed, offset: BigInt(offset) };
    }),

    exportImage: stream(async function* ({ reference }, { signal }) {
      const archive = await options.imageExporter.open(reference, signal);
      try {
        for await (const data of archive.chunks) yield { data };
      } finally {
        archive.close();
      }
    }),

    importImage: stream(async function* (request: ImportImageRequest, { signal }) {
      const order = await importOrder(request, options);
      for await (const event of imports.import(order, signal)) {
        yield event.kind === "progress"
          ? { event: { case: "progress", value: progressMessage(event.progress) } as const }
          : { event: { case: "result", value: resultMessage(event.result) } as const };
      }
    }),

    cancelImport: unary(async ({ digest, grant }: CancelImportRequest, { signal }) => {
      assertDigest("digest", digest);
      await grants.forCancel({ digest, grant });
      return { cancelled: await imports.cancel(digest, signal) };
    }),

    removeImage: unary(async ({ name, digest, keepRunnable }: RemoveImageRequest, { signal }) => {
      assertDigest("digest", digest);
      const { canonical } = parseReference(name, "name");
      const record = await containerd.images.get(canonical, { signal });
      if (record === undefined) return { removed: false };
      if (record.target.digest !== digest) {
        throw new ConnectError(
          `${canonical} points at ${record.target.digest}, not at ${digest}: nothing was removed`,
          Code.FailedPrecondition,
        );
      }
      const image = keepRunnable
        ? await options.images.resolve(canonical, await readFacts(signal), signal)
        : undefined;
      if (image?.isRunnable === true) {
        throw new ConnectError(
          `${canonical} can be run on node ${options.nodeName}, all of ${digest} is here: nothing was removed`,
          Code.FailedPrecondition,
        );
      }
      const { target } = record;
      return { removed: (await containerd.images.delete(canonical, { signal, target })).deleted };
    }),
  };
}

/** Checks an ImportImage request and its grant. */
async function importOrder(request: ImportImageRequest, options: AgentServiceOptions): Promise<ImportOrder> {
  const { digest, names, grant } = request;
  assertDigest("digest", digest);
  if (names.length === 0)
    throw new InvalidValueError("names", "is empty, must hold at least one image reference");
  if (names.length > MAX_NAMES)
    throw new InvalidValueError("names", `holds ${names.length}, at most ${MAX_NAMES} may be given`);
  const wanted = wantedNames(names, digest);
  if (request.sources.length > MAX_SOURCES) {
    throw new InvalidValueError(
      "sources",
      `holds ${request.sources.length}, at most ${MAX_SOURCES} may be given`,
    );
  }
  const sources = request.sources.map(({ node, endpoint }, at) => ({
    node,
    endpoint: parseEndpoint(endpoint, { insecure: options.insecure }, `sources[${at}].endpoint`).url,
  }));
  const maxBytes = byteCount("max_bytes", request.maxBytes);
  const { exportGrant } = await options.grants.forImport({
    digest,
    names,
    sources: request.sources,
    maxBytes,
    grant,
  });
  return { digest, names: wanted, sources, exportGrant, maxBytes };
}

function pageSize(value: number): number {
  if (value === 0) return PAGE_DEFAULT;
  if (value < 0 || value > PAGE_MAX) {
    throw new InvalidValueError(
      "page_size",
      `is ${value}, must be from 1 to ${PAGE_MAX}, or 0 for ${PAGE_DEFAULT}`,
    );
  }
  return value;
}

function pageStart(token: string): string {
  if (token !== "") assertDigest("page_token", token);
  return token;
}

/** Lets a handler throw the agent's own errors. */
function unary<Request, Response>(
  handle: (request: Request, context: HandlerContext) => Promise<Response>,
): (request: Request, context: HandlerContext) => Promise<Response> {
  return async (request, context) => {
    try {
      return await handle(request, context);
    } catch (error) {
      throw toConnectError(error);
    }
  };
}

/** The same for a handler that streams. */
function stream<Request, Response>(
  handle: (request: Request, context: HandlerContext) => AsyncGenerator<Response>,
): (request: Request, context: HandlerContext) => AsyncGenerator<Response> {
  return async function* (request, context) {
    try {
      yield* handle(request, context);
    } catch (error) {
      throw toConnectError(error);
    }
  };
}
