import { isIPv6 } from "node:net";

import type { ReadStore } from "../kube/store.ts";
import type { StrippedAgentPod } from "../objects/agent-pod.ts";

/** Which nodes have an agent that takes calls, and where. */
export interface AgentDirectory {
  /** URL of a node's ready agent, e.g. "https://10.0.0.7:9090"; undefined without one */
  urlOf(node: string): string | undefined;
  /** every node with a ready agent, sorted */
  nodes(): readonly string[];
}

/** Agents that are given by name, for machines without Kubernetes networking. */
export function fixedAgents(urls: ReadonlyMap<string, string>): AgentDirectory {
  return {
    urlOf: (node) => urls.get(node),
    nodes: () => [...urls.keys()].sort(),
  };
}

/** Agents as their pods tell. Of two ready ones on a node, as in a rollout, the later name counts: both would do. */
export function agentsOfPods(
  pods: ReadStore<StrippedAgentPod, "node">,
  options: { readonly port: number; readonly insecure: boolean },
): AgentDirectory {
  return {
    urlOf(node) {
      const ready = pods.find("node", node).filter((pod) => isCallable(pod));
      const pod = ready.sort((a, b) => (a.name < b.name ? 1 : -1))[0];
      return pod === undefined ? undefined : urlOfAgentPod(pod, options);
    },
    nodes() {
      const nodes = new Set<string>();
      for (const pod of pods.values()) if (isCallable(pod)) nodes.add(pod.nodeName);
      return [...nodes].sort();
    },
  };
}

/** Where an agent takes calls; undefined when its pod is not ready for any. */
export function urlOfAgentPod(
  pod: StrippedAgentPod,
  { port, insecure }: { readonly port: number; readonly insecure: boolean },
): string | undefined {
  if (!isCallable(pod)) return undefined;
  const host = isIPv6(pod.podIp) ? `[${pod.podIp}]` : pod.podIp;
  return `${insecure ? "http" : "https"}://${host}:${port}`;
}

/** No agents at all: detection only. */
export const noAgents: AgentDirectory = { urlOf: () => undefined, nodes: () => [] };

function isCallable(pod: StrippedAgentPod): boolean {
  return pod.isReady && pod.podIp !== "" && pod.nodeName !== "";
}
