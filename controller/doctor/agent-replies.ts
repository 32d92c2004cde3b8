import { ConnectError } from "@connectrpc/connect";

import type { TlsMaterial } from "../../lib/tls.ts";
import { AgentClients } from "../agents/agent-clients.ts";
import { fixedAgents } from "../agents/agent-directory.ts";
import { QUESTION_TIMEOUT_MS, QUESTIONS_AT_ONCE } from "../agents/limits.ts";
import { Slots } from "../agents/slots.ts";

/** What became of a call to an agent. */
export type AgentReply =
  | { readonly kind: "node"; readonly version: string; readonly keepsLayers: boolean }
  | { readonly kind: "silent"; readonly why: string };

/**
 * Calls every agent once.
 * @param options.urls by node
 * @param options.tls undefined for agents without TLS
 * @returns replies by node
 */
export async function askAgents(
  options: { readonly urls: ReadonlyMap<string, string>; readonly tls: TlsMaterial | undefined },
  signal: AbortSignal,
): Promise<ReadonlyMap<string, AgentReply>> {
  const { urls, tls } = options;
  const clients = new AgentClients({ directory: fixedAgents(urls), tls: () => tls });
  const slots = new Slots(QUESTIONS_AT_ONCE);
  async function ask(node: string): Promise<AgentReply> {
    try {
      const answer = await clients.get(node)?.getNode({}, { signal, timeoutMs: QUESTION_TIMEOUT_MS });
      if (answer === undefined) return { kind: "silent", why: "it has no address" };
      return { kind: "node", version: answer.agentVersion, keepsLayers: answer.keepsLayers };
    } catch (error) {
      signal.throwIfAborted();
      return { kind: "silent", why: ConnectError.from(error).message };
    }
  }
  try {
    const replies = [...urls.keys()].map(
      async (node) => [node, await slots.run(signal, () => ask(node))] as const,
    );
    return new Map(await Promise.all(replies));
  } finally {
    clients.close();
  }
}
