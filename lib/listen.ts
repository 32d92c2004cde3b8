import { once } from "node:events";
import type { Server } from "node:net";

import { describeError, errorCode } from "./errors.ts";
import type { HostPort } from "./flag-types.ts";
import { formatHostPort } from "./flag-values.ts";

/** What an error says of a server that cannot listen. */
export interface ListenWords {
  /** e.g. "RPC" */
  readonly serves: string;
  /** the flag that chooses another port, e.g. "--grpc-port" */
  readonly flag: string;
}

/**
 * Has a server listen: port 0 takes any, host "" every address.
 * @returns where it listens
 * @throws Error "cannot serve RPC on HOST:PORT: ..." with the reason, and what to change
 */
export async function listen(server: Server, wanted: HostPort, words: ListenWords): Promise<HostPort> {
  const listening = once(server, "listening");
  server.listen(wanted.port, wanted.host === "" ? undefined : wanted.host);
  try {
    await listening;
  } catch (error) {
    const reason = explain(error, words.flag);
    throw new Error(`cannot serve ${words.serves} on ${formatHostPort(wanted)}: ${reason}`, { cause: error });
  }
  const bound = server.address();
  return bound === null || typeof bound === "string" ? wanted : { host: bound.address, port: bound.port };
}

function explain(error: unknown, flag: string): string {
  switch (errorCode(error)) {
    case "EADDRINUSE":
      return `another process listens there, choose another ${flag}`;
    case "EADDRNOTAVAIL":
    case "EINVAL":
    case "ENOTFOUND":
      return "this machine has no such address";
    case "EACCES":
      return "permission denied, ports below 1024 need a privilege";
    default:
      return describeError(error);
  }
}
