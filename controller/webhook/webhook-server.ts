import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";

import { Counter, type Registry } from "prom-client";

import { describeError } from "../../lib/errors.ts";
import type { HostPort } from "../../lib/flag-types.ts";
import { listen } from "../../lib/listen.ts";
import type { Logger } from "../../lib/log.ts";
import type { TlsMaterial } from "../../lib/tls.ts";
import { answerReview } from "./admission-review.ts";
import {
  CLOSE_GRACE_MS,
  MAX_CONNECTIONS,
  REQUEST_CHECK_MS,
  REQUEST_MAX_BYTES,
  REQUEST_TIMEOUT_MS,
} from "./limits.ts";

/** What the server is made from. */
export interface WebhookServerOptions extends HostPort {
  /** certificate with the name of the Service, and its key */
  readonly material: Pick<TlsMaterial, "cert" | "key">;
  readonly registry: Registry;
  readonly logger: Logger;
}

/** A running server for the API server's questions. */
export interface WebhookServer {
  readonly port: number;
  /** Takes new certificates for connections to come. */
  updateTls(material: Pick<TlsMaterial, "cert" | "key">): void;
  /** Stops listening; requests under way have a moment. */
  close(): Promise<void>;
}

/** A request that gets no review for an answer. */
class Refusal extends Error {
  override readonly name = "Refusal";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const RESULTS = ["allowed", "warned", "denied", "malformed"] as const;

/** Registers the counter of the validating webhook; its series exist at 0 from the start. */
export function registerWebhookMetrics(registry: Registry): Counter<"result"> {
  const requests = new Counter({
    name: "tote_webhook_requests_total",
    help: "objects that the validating webhook was asked about, by what it said",
    labelNames: ["result"] as const,
    registers: [registry],
  });
  for (const result of RESULTS) requests.inc({ result }, 0);
  return requests;
}

/**
 * Serves `POST /validate` over TLS. Every replica of the controller does, whether it leads or not: an answer takes
 * nothing but the question.
 * @throws Error naming address and reason when it cannot listen
 */
export async function startWebhookServer(options: WebhookServerOptions): Promise<WebhookServer> {
  const { material, registry, logger, host, port } = options;
  const requests = registerWebhookMetrics(registry);
  const server = createServer(
    {
      cert: material.cert,
      key: material.key,
      minVersion: "TLSv1.2",
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: REQUEST_CHECK_MS,
    },
    (request, response) => void handle(request, response),
  );
  server.maxConnections = MAX_CONNECTIONS;
  // whoever speaks no TLS here, or breaks off, is no concern of ours
  server.on("tlsClientError", () => undefined);

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const answer = answerReview(await readJson(request));
      if (answer === undefined) throw new Refusal(400, "this is no AdmissionReview of admission.k8s.io/v1");
      requests.inc({ result: answer.result });
      send(response, 200, JSON.stringify(answer.body), "application/json");
    } catch (error) {
      requests.inc({ result: "malformed" });
      const status = error instanceof Refusal ? error.status : 500;
      if (status === 500) logger.warn("a review was not answered", { error });
      send(response, status, `${describeError(error)}\n`, "text/plain; charset=utf-8");
    }
  }

  const bound = await listen(server, { host, port }, { serves: "the webhook", flag: "--webhook-listen" });
  return {
    port: bound.port,
    updateTls: ({ cert, key }) => server.setSecureContext({ cert, key, minVersion: "TLSv1.2" }),
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeIdleConnections();
      const timer = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
      await closed.finally(() => clearTimeout(timer));
    },
  };
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const [path] = (request.url ?? "/").split("?");
  if (path !== "/validate") throw new Refusal(404, "try POST /validate");
  if (request.method !== "POST") throw new Refusal(405, "only POST");
  if (!/^application\/json\b/.test(request.headers["content-type"] ?? "")) {
    throw new Refusal(415, "content-type must be application/json");
  }
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of request as AsyncIterable<Uint8Array>) {
    size += piece.length;
    if (size > REQUEST_MAX_BYTES) throw new Refusal(413, `more than ${REQUEST_MAX_BYTES} bytes`);
    pieces.push(piece);
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString("utf8"));
  } catch (error) {
    throw new Refusal(400, `the body is no JSON: ${describeError(error)}`);
  }
}

function send(response: ServerResponse, status: number, text: string, type: string): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(text),
    // what was not read of a refused request must not be taken for the next one
    ...(status !== 200 && { connection: "close" }),
  });
  response.end(text);
}
