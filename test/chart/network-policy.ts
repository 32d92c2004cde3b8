/** Who may talk to whom by the rendered NetworkPolicies. Source: Kubernetes, "Network Policies". */

import { asObject, asObjects, asTexts } from "../../controller/objects/json.ts";
import type { Json, Manifest } from "./helm.ts";

/** One end of a connection: a pod, or an address outside of the cluster. */
export type End =
  | { readonly kind: "pod"; readonly namespace: string; readonly labels: Json }
  | { readonly kind: "address"; readonly ip: string };

/** A connection that somebody wants to open. */
export interface Connection {
  readonly from: End;
  readonly to: End;
  readonly port: number;
  readonly protocol?: "TCP" | "UDP";
}

/** Whether the policies let a connection through: the policies of both ends must. IPv4 only. */
export function isAllowed(manifests: readonly Manifest[], connection: Connection): boolean {
  const policies = manifests.filter(({ kind }) => kind === "NetworkPolicy");
  const { from, to } = connection;
  return isLet(policies, "Egress", from, to, connection) && isLet(policies, "Ingress", to, from, connection);
}

function isLet(
  policies: readonly Manifest[],
  direction: "Ingress" | "Egress",
  self: End,
  peer: End,
  { port, protocol = "TCP" }: Connection,
): boolean {
  if (self.kind === "address") return true;
  const own = policies.filter(({ namespace, json }) => {
    const spec = asObject(json["spec"]);
    const isMine = namespace === self.namespace && selects(spec["podSelector"], self.labels);
    return isMine && asTexts(spec["policyTypes"], 2).includes(direction);
  });
  if (own.length === 0) return true;
  const [rules, peers] = direction === "Ingress" ? ["ingress", "from"] : ["egress", "to"];
  return own.some(({ namespace, json }) =>
    asObjects(asObject(json["spec"])[rules ?? ""], 100).some((rule) => {
      const ports = asObjects(rule["ports"], 100);
      const isPort =
        ports.length === 0 || ports.some((one) => one["port"] === port && one["protocol"] === protocol);
      const allowed = asObjects(rule[peers ?? ""], 100);
      return isPort && (allowed.length === 0 || allowed.some((one) => isPeer(one, peer, namespace)));
    }),
  );
}

function isPeer(rule: Json, peer: End, ownNamespace: string): boolean {
  const { ipBlock, podSelector, namespaceSelector } = rule;
  if (ipBlock !== undefined) {
    const { cidr, except } = asObject(ipBlock);
    if (peer.kind === "pod") return false;
    return contains(String(cidr), peer.ip) && !asTexts(except, 100).some((one) => contains(one, peer.ip));
  }
  if (peer.kind === "address") return false;
  const isThere =
    namespaceSelector === undefined
      ? peer.namespace === ownNamespace
      : selects(namespaceSelector, { "kubernetes.io/metadata.name": peer.namespace });
  return isThere && (podSelector === undefined || selects(podSelector, peer.labels));
}

function selects(selector: unknown, labels: Json): boolean {
  const { matchLabels, matchExpressions } = asObject(selector);
  if (matchExpressions !== undefined) throw new Error("matchExpressions are not understood here");
  return Object.entries(asObject(matchLabels)).every(([name, value]) => labels[name] === value);
}

function contains(cidr: string, ip: string): boolean {
  if (cidr.includes(":")) return false;
  const [base = "", bits = ""] = cidr.split("/");
  const size = 2 ** (32 - Number(bits));
  return Math.floor(asNumber(base) / size) === Math.floor(asNumber(ip) / size);
}

function asNumber(ip: string): number {
  return ip.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}
