/** Which manifest of an index a node takes: containerd's rules (`platforms.Only`), so that CRI picks the same one. */

/** An OCI platform; `variant` is "" when there is none. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant: string;
}

const ARCHITECTURES: Readonly<Record<string, string>> = {
  x86_64: "amd64",
  "x86-64": "amd64",
  i386: "386",
  aarch64: "arm64",
};

/** Maps Node's `process.arch` to Go's names; other values are the same in both. */
const NODE_ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386" };

/** Brings a platform into containerd's canonical form: lower case, `aarch64` is `arm64`, `arm64/v8` is `arm64`. */
export function normalisePlatform(platform: {
  readonly os?: string;
  readonly architecture?: string;
  readonly variant?: string;
}): Platform {
  const os = (platform.os ?? "").toLowerCase();
  const given = (platform.architecture ?? "").toLowerCase();
  const variant = (platform.variant ?? "").toLowerCase();
  if (given === "armhf") return { os, architecture: "arm", variant: "v7" };
  if (given === "armel") return { os, architecture: "arm", variant: "v6" };
  const architecture = ARCHITECTURES[given] ?? given;
  switch (architecture) {
    case "amd64":
      return { os, architecture, variant: variant === "v1" ? "" : variant };
    case "arm64":
      return { os, architecture, variant: variant === "8" || variant === "v8" ? "" : variant };
    case "arm":
      return { os, architecture, variant: variant === "" ? "v7" : variant.replace(/^(\d)$/, "v$1") };
    default:
      return { os, architecture, variant };
  }
}

/** The platform of the machine this process runs on, from `process.arch` (used when containerd does not say). */
export function platformOfProcess(arch: string): Platform {
  return normalisePlatform({ os: "linux", architecture: NODE_ARCHITECTURES[arch] ?? arch });
}

/** "linux/arm64" or "linux/arm/v7". */
export function formatPlatform(platform: Platform): string {
  return [platform.os, platform.architecture, platform.variant].filter((part) => part !== "").join("/");
}

/**
 * How well a node runs a platform: 0 is best, higher is worse, undefined is not at all. An amd64 node also runs 386,
 * an arm64 node arm v8 to v5, and a variant runs the variants below it.
 */
export function platformRank(
  node: Platform,
  candidate: { readonly os?: string; readonly architecture?: string; readonly variant?: string },
): number | undefined {
  const wanted = normalisePlatform(candidate);
  const rank = runnable(node).findIndex(
    (platform) =>
      platform.os === wanted.os &&
      platform.architecture === wanted.architecture &&
      platform.variant === wanted.variant,
  );
  return rank === -1 ? undefined : rank;
}

/** All platforms that a node runs, best first. */
function runnable(node: Platform): readonly Platform[] {
  const { os, architecture } = node;
  const own = versionsDown(node);
  if (architecture === "amd64") return [...own, { os, architecture: "386", variant: "" }];
  if (architecture === "arm64") {
    return [...own, ...["v8", "v7", "v6", "v5"].map((variant) => ({ os, architecture: "arm", variant }))];
  }
  return own;
}

function versionsDown(node: Platform): readonly Platform[] {
  const lowest = node.architecture === "arm" ? 5 : 2;
  const version = /^v(\d+)$/.exec(node.variant);
  if (version === null) return [node];
  const list: Platform[] = [];
  for (let at = Number(version[1]); at >= lowest; at--) list.push({ ...node, variant: `v${at}` });
  if (node.architecture !== "arm") list.push({ ...node, variant: "" });
  return list;
}
