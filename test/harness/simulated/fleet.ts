import type { TlsMaterial } from "../../../lib/tls.ts";
import type { Cleanup } from "../cleanup.ts";
import { SimulatedAgent } from "./agent.ts";
import { Ledger, type LedgerEntry, type Maxima } from "./ledger.ts";

/** Options of startFleet. */
export interface FleetOptions {
  readonly cleanup: Cleanup;
  readonly nodes: readonly string[];
  /** of the role tote-agent; default: plaintext */
  readonly tls?: TlsMaterial;
  /** milliseconds that a transfer takes, default 30 */
  readonly transferMs?: number;
  /** each agent gets an IP address of its own and all the same port, as pods have; default: one address */
  readonly ownAddresses?: boolean;
}

/** Agents of nodes that do not exist. */
export interface Fleet {
  readonly agents: readonly SimulatedAgent[];
  agent(node: string): SimulatedAgent;
  /** Transfers that have begun, in order. */
  readonly begun: readonly LedgerEntry[];
  readonly running: readonly LedgerEntry[];
  readonly maxima: Maxima;
  /** Has transfers wait in the middle until the function returned is called. @param digest default all */
  hold(digest?: string): () => void;
}

/** Starts the agents of nodes; they end with the cleanup. */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const { cleanup, nodes, tls, transferMs = 30, ownAddresses = false } = options;
  const ledger = new Ledger();
  const holds = new Set<{ readonly digest: string | undefined; readonly released: Promise<void> }>();
  const pace = {
    durationMs: transferMs,
    gate: (digest: string) =>
      [...holds].find((hold) => hold.digest === undefined || hold.digest === digest)?.released,
  };
  const agents = new Map<string, SimulatedAgent>();
  let port = 0;
  for (const [at, node] of nodes.entries()) {
    // all of 127.0.0.0/8 is this machine
    const host = ownAddresses ? `127.77.${process.pid % 250}.${at + 1}` : "127.0.0.1";
    const readable = (name: string): SimulatedAgent | undefined => agents.get(name);
    const agent = new SimulatedAgent({ node, host, port, tls, pace, ledger, readable });
    await agent.start();
    if (ownAddresses) ({ port } = agent);
    agents.set(node, agent);
    cleanup.add({ name: `stop the agent of ${node}`, undo: () => agent.stop() });
  }
  return {
    agents: [...agents.values()],
    agent(node) {
      const agent = agents.get(node);
      if (agent === undefined) throw new RangeError(`the fleet has no node ${node}`);
      return agent;
    },
    get begun() {
      return ledger.begun;
    },
    get running() {
      return ledger.running;
    },
    get maxima() {
      return ledger.maxima;
    },
    hold(digest) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const hold = { digest, released: promise };
      holds.add(hold);
      return () => {
        holds.delete(hold);
        resolve();
      };
    },
  };
}
