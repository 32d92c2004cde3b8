import { asObject, asText } from "../objects/json.ts";
import { stripNode } from "../objects/strip-cluster.ts";

/** Who has set a node up, as far as it matters for how to change its containerd. */
export type NodeFlavor = "eks" | "talos" | "kind" | "other";

/** What the doctor looks at on a node. */
export interface NodeFacts {
  readonly name: string;
  readonly isReady: boolean;
  /** e.g. "linux"; "" while the kubelet has not said */
  readonly os: string;
  /** "containerd", "cri-o", "docker"; "" while the kubelet has not said */
  readonly runtime: string;
  /** e.g. "1.7.24", or "" */
  readonly runtimeVersion: string;
  readonly flavor: NodeFlavor;
}

/** Reads a node as the API server sends it. Never throws. */
export function readNodeFacts(raw: unknown): NodeFacts {
  const { name, isReady, os, runtime } = stripNode(raw);
  const [, kind = "", version = ""] = /^([^:]*):\/\/(.*)$/.exec(runtime) ?? [];
  return { name, isReady, os, runtime: kind, runtimeVersion: version, flavor: flavorOf(raw) };
}

/** Whether an agent can serve it. */
export function isServable({ os, runtime }: NodeFacts): boolean {
  return runtime === "containerd" && (os === "linux" || os === "");
}

/** By the marks that each leaves on its nodes: provider ids, versions of the kubelet, names of the system. */
function flavorOf(raw: unknown): NodeFlavor {
  const node = asObject(raw);
  const info = asObject(asObject(node["status"])["nodeInfo"]);
  const provider = asText(asObject(node["spec"])["providerID"]);
  if (asText(info["osImage"]).startsWith("Talos")) return "talos";
  if (provider.startsWith("kind://")) return "kind";
  if (asText(info["kubeletVersion"]).includes("-eks-")) return "eks";
  return "other";
}
