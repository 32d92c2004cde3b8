import http from "node:http";
import https from "node:https";
import { createSecureContext, type SecureContext } from "node:tls";

import { createClient, type Client } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";

import { ROLES } from "../../lib/roles.ts";
import { clientTlsOptions, type TlsMaterial } from "../../lib/tls.ts";
import { AgentService } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { AGENT_ANSWER_MAX_BYTES } from "./limits.ts";
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
 * cannot be made ends with its call, where an HTTP/2 session would hold up the next ones, too.
 */
export class AgentClients {
  readonly #directory: AgentDirectory;
  readonly #tls: () => TlsMaterial | undefined;
  readonly #clients = new Map<string, Kept>();
  #context: { readonly material: TlsMaterial; readonly context: SecureContext } | undefined;

  /** @param tls what the controller shows and trusts now; undefined with --insecure */
  constructor(options: { readonly directory: AgentDirectory; readonly tls: () => TlsMaterial | undefined }) {
    this.#directory = options.directory;
    this.#tls = options.tls;
  }

  /** How many clients are kept. */
  get size(): number {
    return this.#clients.size;
  }

  /** The client of a node's agent; undefined when it has no ready one. */
  get(node: string): AgentClient | undefined {
    const url = this.#directory.urlOf(node);
    const kept = this.#clients.get(node);
    if (kept !== undefined && kept.url === url) return kept.client;
    if (kept !== undefined) this.#drop(node, kept);
    if (url === undefined) return undefined;
    const made = connect(url, this.#trust());
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

function connect(url: string, trust: Trust | undefined): Kept {
  const settings = { keepAlive: true, maxFreeSockets: IDLE_CONNECTIONS };
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
