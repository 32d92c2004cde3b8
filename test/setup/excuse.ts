import { readdir } from "node:fs/promises";

import { harnessConfig } from "../harness/config.ts";
import { run } from "../harness/run.ts";
import { isDebian, refreshLists, usesApt } from "./apt.ts";
import { findProgram, type Requirement } from "./requirements.ts";

const APT_LISTS = "/var/lib/apt/lists";

/**
 * Why this machine may go without a requirement, in a sentence: apt has no such package here (Ubuntu has its browsers as
 * snaps). Undefined when it is there or must be: whatever is not optional, on Debian, and with CI=true.
 */
export async function excuseFor(
  { program, debianPackage, skipped }: Requirement,
  options: {
    readonly environment?: Readonly<Record<string, string | undefined>>;
    readonly osRelease?: string;
    readonly signal?: AbortSignal | undefined;
  } = {},
): Promise<string | undefined> {
  const { environment = harnessConfig().inherited, osRelease, signal } = options;
  const { PATH = "", CI } = environment;
  if (skipped === undefined || findProgram(program, PATH) !== undefined) return undefined;
  if (CI === "true" || !(await usesApt(osRelease)) || (await isDebian(osRelease))) return undefined;
  if (!(await hasLists())) await refreshLists(signal);
  const { stdout } = await run("apt-cache", ["policy", debianPackage], { env: { LC_ALL: "C" }, signal });
  return isInstallable(stdout) ? undefined : `apt has no package ${debianPackage} here: ${skipped}`;
}

/** Reads what `apt-cache policy PACKAGE` prints. A version such as 2:1snap1-0ubuntu2 is an empty package that sends to a snap. */
export function isInstallable(policy: string): boolean {
  const candidate = /^ +Candidate: (.+)$/m.exec(policy)?.[1] ?? "(none)";
  return candidate !== "(none)" && !candidate.includes("snap");
}

async function hasLists(): Promise<boolean> {
  return (await readdir(APT_LISTS)).some((name) => name.includes("_Packages"));
}
