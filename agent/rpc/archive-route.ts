import { Code, ConnectError } from "@connectrpc/connect";
import { pipeline } from "node:stream/promises";

import type { Logger } from "../../lib/log.ts";
import type { ImageExporter } from "../image/image-exporter.ts";
import { authorize, type Caller } from "./auth.ts";
import { toConnectError } from "./convert.ts";
import type { NodeRequest, NodeResponse } from "./response.ts";

/** What the plain HTTP part of the RPC port works with. */
export interface ArchiveRouteOptions {
  readonly exporter: ImageExporter;
  readonly callerOf: (req: NodeRequest) => Caller;
  readonly logger: Logger;
}

/** HTTP status by Connect code, as the Connect protocol maps them. */
const STATUS: Readonly<Partial<Record<Code, number>>> = {
  [Code.InvalidArgument]: 400,
  [Code.PermissionDenied]: 403,
  [Code.NotFound]: 404,
  [Code.FailedPrecondition]: 412,
  [Code.ResourceExhausted]: 429,
  [Code.Unavailable]: 503,
};

/**
 * Answers `GET /v1/archive?reference=...` with the image as a tar, for curl; 404 for every other path. Errors before
 * the first byte are JSON as in Connect; later ones break the connection, so that half an archive never looks whole.
 */
export function createArchiveRoute(
  options: ArchiveRouteOptions,
): (req: NodeRequest, res: NodeResponse) => void {
  return (req, res) => {
    const url = URL.parse(req.url ?? "/", "http://agent");
    if (url === null) {
      answer(res, 400, "invalid_argument", "the request target is no URL");
      return;
    }
    if (url.pathname !== "/v1/archive") {
      // a call of a method that another version has must not look like an image that is not here
      const code = req.method === "POST" ? "unimplemented" : "not_found";
      answer(res, 404, code, `there is nothing at ${url.pathname}`);
      return;
    }
    if (req.method !== "GET") {
      res.setHeader("allow", "GET");
      answer(res, 405, "unimplemented", "/v1/archive takes GET");
      return;
    }
    const reference = url.searchParams.get("reference") ?? "";
    void sendArchive(reference, req, res, options);
  };
}

async function sendArchive(
  reference: string,
  req: NodeRequest,
  res: NodeResponse,
  { exporter, callerOf, logger }: ArchiveRouteOptions,
): Promise<void> {
  const gone = new AbortController();
  const onClose = (): void => gone.abort(new ConnectError("the client is gone", Code.Canceled));
  res.on("close", onClose);
  try {
    authorize(callerOf(req), "archive");
    const archive = await exporter.open(reference, gone.signal);
    try {
      res.writeHead(200, { "content-type": "application/x-tar" });
      await pipeline(archive.chunks, res);
    } finally {
      archive.close();
    }
    logger.info("sent an archive", { reference });
  } catch (cause) {
    const error = ConnectError.from(toConnectError(cause));
    logger.warn("archive failed", { reference, error: error.message });
    if (res.headersSent) res.destroy();
    else answer(res, STATUS[error.code] ?? 500, Code[error.code], error.rawMessage);
  } finally {
    res.off("close", onClose);
  }
}

function answer(res: NodeResponse, status: number, code: string, message: string): void {
  res.writeHead(status, { "content-type": "application/json" });
  res.end(`${JSON.stringify({ code: snakeCase(code), message })}\n`);
}

function snakeCase(code: string): string {
  return code.replace(/(?<=[a-z])[A-Z]/g, "_$&").toLowerCase();
}
