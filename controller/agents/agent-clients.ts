import http from "node:http";
import https from "node:https";
import { createSecureContext, type SecureContext } from "node:tls";

import { createClient, type Client } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";

import { ROLES } from "../../lib/roles.ts";
import { clientTlsOptions, type TlsMaterial } from "../../lib/tls.ts";
import { AgentService } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { AGENT_ANSWER_MAX_BYTES, CLIENTS_MAX, CONNECTION_IDLE_MS } from "./limits.ts";
import type { AgentDirectory } from "./agent-directory.ts";

/** Calls of one agent. */
export type AgentClient = Client<typeof AgentService>;

interface Kept {
  readonly url: string;
  readonly client: AgentClient;
  readonly connections: http.Agent;
}

/** Connections of one agent that are kept open while nothing is asked. */
const IDLE_CONNECTIONS = 1;

/**
 * One client for each agent, made when it is first needed, with connections of its own. HTTP/1.1: a connection that
 * cannot be made ends with its call, where an HTTP/2 session would hold up the next ones, too. So many are kept; past it
 * the one that was wanted longest ago and has no call under way makes room.
 */
export class AgentClients {
  readonly #directory: AgentDirectory;
  readonly #tls: () => TlsMaterial | undefined;
  readonly #max: number;
  readonly #idleMs: number;
  /** by node, the one that was wanted last at the end */
  readonly #clients = new Map<string, Kept>();
  #context: { readonly material: TlsMaterial; readonly context: SecureContext } | undefined;

  constructor(options: {
    readonly directory: AgentDirectory;
    /** what the controller shows and trusts now; undefined with --insecure */
    readonly tls: () => TlsMaterial | undefined;
    /** clients that are kept, default 256 */
    readonly max?: number;
    /** milliseconds after which a connection that is not used is closed, default 30 s */
    readonly idleMs?: number;
  }) {
    this.#directory = options.directory;
    this.#tls = options.tls;
    this.#max = options.max ?? CLIENTS_MAX;
    this.#idleMs = options.idleMs ?? CONNECTION_IDLE_MS;
  }

  /** How many clients are kept. */
  get size(): number {
    return this.#clients.size;
  }

  /** The client of a node's agent; undefined when it has no ready one. */
  get(node: string): AgentClient | undefined {
    const url = this.#directory.urlOf(node);
    const kept = this.#clients.get(node);
    if (kept !== undefined && kept.url === url) {
      this.#clients.delete(node);
      this.#clients.set(node, kept);
      return kept.client;
    }
    if (kept !== undefined) this.#drop(node, kept);
    if (url === undefined) return undefined;
    if (this.#clients.size >= this.#max) this.#makeRoom();
    const made = connect(url, this.#trust(), this.#idleMs);
    this.#clients.set(node, made);
    return made.client;
  }

  /** Drops the clients of agents that are gone. */
  prune(): void {
    for (const [node, kept] of this.#clients) {
      if (this.#directory.urlOf(node) !== kept.url) this.#drop(node, kept);
    }
  }

  /** New certificates: calls from now on use them; those under way end on the old ones. */
  renew(): void {
    this.#clients.clear();
  }

  /** Ends every connection. */
  close(): void {
    for (const [node, kept] of this.#clients) this.#drop(node, kept);
  }

  #trust(): Trust | undefined {
    const material = this.#tls();
    if (material === undefined) return undefined;
    if (this.#context?.material !== material) {
      const { cert, key, ca } = material;
      this.#context = { material, context: createSecureContext({ cert, key, ca, minVersion: "TLSv1.3" }) };
    }
    return { material, secureContext: this.#context.context };
  }

  /** When all of them are at work none goes: calls have bounds of their own. */
  #makeRoom(): void {
    for (const [node, kept] of this.#clients) {
      if (isBusy(kept.connections)) continue;
      this.#drop(node, kept);
      return;
    }
  }

  #drop(node: string, { connections }: Kept): void {
    this.#clients.delete(node);
    connections.destroy();
  }
}

/** What connections show and accept. The context is made once: else Node reads the certificates for each connection. */
interface Trust {
  readonly material: TlsMaterial;
  readonly secureContext: SecureContext;
}

/** Whether a call is under way, or waits for a connection. */
function isBusy({ sockets, requests }: http.Agent): boolean {
  return Object.keys(sockets).length > 0 || Object.keys(requests).length > 0;
}

function connect(url: string, trust: Trust | undefined, idleMs: number): Kept {
  // an agent of Node's closes connections after the timeout only while they are free; calls have bounds of their own
  const settings = { keepAlive: true, maxFreeSockets: IDLE_CONNECTIONS, timeout: idleMs };
  // Node closes connections whose checkServerIdentity came with the request: it must come with the agent
  const connections =
    trust === undefined
      ? new http.Agent(settings)
      : new https.Agent({
          ...settings,
          ...clientTlsOptions(trust.material, ROLES.agent),
          secureContext: trust.secureContext,
        });
  const transport = createConnectTransport({
    baseUrl: url,
    httpVersion: "1.1",
    nodeOptions: { agent: connections },
    acceptCompression: [],
    readMaxBytes: AGENT_ANSWER_MAX_BYTES,
  });
  return { url, client: createClient(AgentService, transport), connections };
}
