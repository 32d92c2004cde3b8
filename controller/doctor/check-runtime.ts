import { counted, listed, type Check } from "./check.ts";
import { isServable, type NodeFacts } from "./node-facts.ts";

/** The oldest release of containerd that tote is tested with. */
const OLDEST = { major: 1, minor: 6 } as const;

/** Whether nodes run what tote can work with: containerd, on Linux. Pure. */
export function checkRuntime(nodes: readonly NodeFacts[]): Check {
  const name = "runtime";
  const summary = [...countBy(nodes, (node) => describe(node))]
    .map(([runtime, count]) => `${counted(count, "node")} with ${runtime}`)
    .join(", ");
  if (nodes.length === 0) return { name, status: "fail", message: "the cluster has no nodes" };
  if (!nodes.some((node) => isServable(node))) {
    return { name, status: "fail", message: `${summary}: tote needs containerd on Linux` };
  }
  const foreign = nodes.filter((node) => !isServable(node)).map((node) => node.name);
  const old = nodes.filter((node) => isServable(node) && isOld(node.runtimeVersion)).map((node) => node.name);
  const remarks = [
    ...(foreign.length > 0
      ? [`without help from tote, which needs containerd on Linux: ${listed(foreign)}`]
      : []),
    ...(old.length > 0
      ? [`older than containerd ${OLDEST.major}.${OLDEST.minor}, which nobody has tried: ${listed(old)}`]
      : []),
  ];
  return { name, status: remarks.length > 0 ? "warn" : "ok", message: [summary, ...remarks].join("; ") };
}

function describe({ os, runtime, runtimeVersion }: NodeFacts): string {
  const words = runtime === "" ? "an unknown runtime" : `${runtime} ${runtimeVersion}`.trim();
  return os === "linux" || os === "" ? words : `${words} on ${os}`;
}

function isOld(version: string): boolean {
  const [major = NaN, minor = NaN] = version.split(".").map(Number);
  return major < OLDEST.major || (major === OLDEST.major && minor < OLDEST.minor);
}

function countBy<T>(items: readonly T[], key: (item: T) => string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(key(item), (counts.get(key(item)) ?? 0) + 1);
  return counts;
}
