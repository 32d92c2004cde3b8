import { errorCode } from "../lib/errors.ts";

const OUT_OF_REACH: ReadonlySet<string> = new Set(["ENOENT", "ENOTDIR", "EACCES", "EPERM"]);

/** Whether containerd's root folder, or what was looked for in it, is absent, not mounted, or not ours to read: the agent does without. */
export function isOutOfReach(error: unknown): boolean {
  return OUT_OF_REACH.has(errorCode(error));
}
