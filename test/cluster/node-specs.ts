import { isContainerdVersion } from "../harness/config.ts";
import type { NodeSpec } from "./node-config.ts";

/** Versions of containerd, one per node, unless somebody asks for others: both that work with this kubelet, side by side. */
export const DEFAULT_VERSIONS = ["1.6", "1.7", "1.6"] as const;

/** Nodes n1, n2 and so on, with these versions of containerd. Throws RangeError for a version that nobody knows. */
export function nodeSpecs(versions: readonly string[] = DEFAULT_VERSIONS): readonly NodeSpec[] {
  return versions.map((containerd, at) => {
    if (!isContainerdVersion(containerd))
      throw new RangeError(`unknown version of containerd: "${containerd}"`);
    return { name: `n${at + 1}`, number: at + 1, containerd };
  });
}
