import type { AgentReply } from "./agent-replies.ts";
import { counted, listed, type Check } from "./check.ts";
import { layerAdvice } from "./layer-advice.ts";
import type { NodeFacts } from "./node-facts.ts";

/**
 * Nodes that drop layers once they are unpacked can be given images, but hold none for others: in an outage that is what
 * tote lives on. Pure.
 * @param replies what the agents said, by node; undefined when they were not asked
 */
export function checkLayers(
  nodes: readonly NodeFacts[],
  replies: ReadonlyMap<string, AgentReply> | undefined,
): Check {
  const name = "layers";
  if (replies === undefined) {
    return {
      name,
      status: "warn",
      message:
        "not checked: only agents know whether their node keeps layers, give --tls-cert, --tls-key and --tls-ca of the role tote-operator",
    };
  }
  const answered = [...replies].flatMap(([node, reply]) =>
    reply.kind === "node" ? [{ node, keepsLayers: reply.keepsLayers }] : [],
  );
  const discarding = answered.filter(({ keepsLayers }) => !keepsLayers).map(({ node }) => node);
  if (discarding.length > 0) {
    const facts = nodes.filter((node) => discarding.includes(node.name));
    const advice = new Set(facts.map((node) => layerAdvice(node)));
    const which = `${counted(discarding.length, "node")} of ${answered.length} discard layers once unpacked and are no source of images: ${listed(discarding)}`;
    return { name, status: "fail", message: [which, ...advice].join("\n") };
  }
  if (answered.length === 0) {
    return { name, status: "warn", message: "not checked: no agent has answered" };
  }
  return { name, status: "ok", message: `${counted(answered.length, "node")} asked, all keep layers` };
}
