import type { AgentReply } from "./agent-replies.ts";
import { counted, listed, type Check } from "./check.ts";
import { isServable, type NodeFacts } from "./node-facts.ts";

/** What the check of agents goes by. */
export interface AgentFacts {
  readonly nodes: readonly NodeFacts[];
  /** nodes with an agent that is ready, or that was given by hand */
  readonly ready: ReadonlySet<string>;
  /** agents' pods, ready or not */
  readonly pods: number;
  /** where they were looked for */
  readonly namespace: string;
  /** what they said, by node; undefined when they were not asked */
  readonly replies: ReadonlyMap<string, AgentReply> | undefined;
}

/** Whether Ready nodes have an agent, and agents answer. Pure. */
export function checkAgents({ nodes, ready, pods, namespace, replies }: AgentFacts): Check {
  const name = "agents";
  if (ready.size === 0) {
    return pods === 0
      ? {
          name,
          status: "warn",
          message: `no agents in namespace ${namespace}: failures are detected, but nothing can be moved`,
        }
      : { name, status: "fail", message: `not one of ${counted(pods, "agent")} in ${namespace} is ready` };
  }
  const silent = [...(replies ?? [])].flatMap(([node, reply]) =>
    reply.kind === "silent" ? [`${node}: ${reply.why}`] : [],
  );
  if (silent.length > 0) {
    const message = `${counted(silent.length, "agent")} of ${ready.size} give no answer: ${listed(silent)}`;
    return { name, status: "fail", message };
  }
  const wanted = nodes.filter((node) => node.isReady && isServable(node));
  const bare = wanted.filter((node) => !ready.has(node.name)).map((node) => node.name);
  const reached =
    replies === undefined
      ? "not called, which takes --tls-cert, --tls-key and --tls-ca of the role tote-operator"
      : `all answer (${listed(versions(replies))})`;
  if (bare.length > 0) {
    return {
      name,
      status: "warn",
      message: `${bare.length} of ${counted(wanted.length, "ready node")} have no ready agent: ${listed(bare)}; others ${reached}`,
    };
  }
  return { name, status: "ok", message: `${counted(ready.size, "agent")} ready, ${reached}` };
}

function versions(replies: ReadonlyMap<string, AgentReply>): readonly string[] {
  const all = [...replies.values()].flatMap((reply) => (reply.kind === "node" ? [reply.version] : []));
  return [...new Set(all)].sort();
}
