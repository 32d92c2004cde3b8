import { existsSync, rmSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "../harness/run.ts";

/** asked by Debian packages before they start a service; 101 means no (invoke-rc.d(8)) */
const policyFile = "/usr/sbin/policy-rc.d";
const OS_RELEASE = "/etc/os-release";
const QUIET = { DEBIAN_FRONTEND: "noninteractive" };
const installTimeoutMs = 600_000;
const retryPauseMs = 3000;
const options = ["-y", "-q", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120"] as const;

/** Says whether this machine's packages come from apt: Debian, Ubuntu and what calls itself like them. */
export async function usesApt(osRelease = OS_RELEASE): Promise<boolean> {
  if (!existsSync(osRelease)) return false;
  const text = await readFile(osRelease, "utf8");
  const names = [...text.matchAll(/^ID(?:_LIKE)?="?([^"\n]*)"?$/gm)].map(([, value]) => value);
  return /\b(?:debian|ubuntu)\b/.test(names.join(" "));
}

/** Says whether this machine is Debian itself, not what is made from it. */
export async function isDebian(osRelease = OS_RELEASE): Promise<boolean> {
  return existsSync(osRelease) && /^ID="?debian"?$/m.test(await readFile(osRelease, "utf8"));
}

/** Asks the mirrors which packages there are. Throws CommandError. */
export async function refreshLists(signal: AbortSignal | undefined): Promise<void> {
  await run("apt-get", ["update", "-q"], { env: QUIET, signal, timeoutMs: installTimeoutMs });
}

/** Installs packages without questions and without starting their services; tries twice. Throws CommandError. */
export async function installPackages(packages: readonly string[], signal?: AbortSignal): Promise<void> {
  const policyIsOurs = !existsSync(policyFile);
  if (policyIsOurs) await writeFile(policyFile, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    try {
      await install(packages, signal);
    } catch {
      // a mirror that hiccups or is being updated: the second error is the one to show
      await sleep(retryPauseMs, undefined, { ...(signal && { signal }) });
      await install(packages, signal);
    }
  } finally {
    if (policyIsOurs) rmSync(policyFile, { force: true });
  }
}

async function install(packages: readonly string[], signal: AbortSignal | undefined): Promise<void> {
  await refreshLists(signal);
  const settings = { env: QUIET, signal, timeoutMs: installTimeoutMs };
  await run("apt-get", ["install", ...options, ...packages], settings);
}
