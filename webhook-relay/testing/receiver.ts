import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Server as TcpServer } from "node:net";
import type { TestContext } from "node:test";
import type { TlsOptions } from "node:tls";

/** A request that a receiver has got. */
export interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A server of a test. */
export interface Receiver {
  readonly port: number;
  /** http or https, 127.0.0.1 */
  readonly url: string;
  /** everything that came, in order */
  readonly requests: readonly ReceivedRequest[];
  /** `webhook-id` of everything that came */
  ids(): readonly string[];
  /** answers so from now on; undefined: 204 */
  behave(behaviour: Behaviour | undefined): void;
  close(): Promise<void>;
}

/** Answers a request; `number` counts from 1. */
export type Behaviour = (
  request: ReceivedRequest,
  response: ServerResponse,
  number: number,
  raw: IncomingMessage,
) => void;

/** Starts a receiver on loopback that answers 204 to everything. */
export async function startReceiver(
  t: Pick<TestContext, "after"> | undefined,
  options: { readonly tls?: TlsOptions; readonly host?: string; readonly port?: number } = {},
): Promise<Receiver> {
  const { host = "127.0.0.1", port = 0, tls } = options;
  const requests: ReceivedRequest[] = [];
  let behaviour: Behaviour | undefined;
  const listener = (raw: IncomingMessage, response: ServerResponse): void => {
    const chunks: Buffer[] = [];
    raw.on("data", (chunk: Buffer) => chunks.push(chunk));
    raw.on("error", () => undefined);
    raw.on("end", () => {
      const request: ReceivedRequest = {
        method: raw.method ?? "",
        path: raw.url ?? "",
        headers: Object.fromEntries(
          Object.entries(raw.headers).map(([name, value]) => [name, String(value)] as const),
        ),
        body: Buffer.concat(chunks).toString("utf8"),
      };
      requests.push(request);
      if (behaviour === undefined) response.writeHead(204).end();
      else behaviour(request, response, requests.length, raw);
    });
  };
  const server: Server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  const bound = await listenOn(server, host, port);
  const close = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = new Promise((resolve) => server.once("close", resolve));
    server.close();
    server.closeAllConnections();
    await closed;
  };
  t?.after(close);
  return {
    port: bound,
    url: `${tls === undefined ? "http" : "https"}://${host.includes(":") ? `[${host}]` : host}:${bound}`,
    requests,
    ids: () => requests.map(({ headers }) => headers["webhook-id"] ?? ""),
    behave(next) {
      behaviour = next;
    },
    close,
  };
}

/** Has a server listen; answers the port. */
export async function listenOn(server: TcpServer, host = "127.0.0.1", port = 0): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error(`no port on ${host}`);
  return address.port;
}
