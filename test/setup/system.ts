import process from "node:process";
import { harnessConfig } from "../harness/config.ts";
import { installPackages, usesApt } from "./apt.ts";
import { excuseFor } from "./excuse.ts";
import { missingRequirements } from "./requirements.ts";
import type { Requirement, SystemPart } from "./requirements.ts";

export type { SystemPart } from "./requirements.ts";

/** The machine lacks something that cannot be installed from here; the message says what to do. */
export class SystemError extends Error {
  override readonly name = "SystemError";
}

/** What ensureSystem found and did. */
export interface SystemResult {
  /** Debian packages installed now; empty when everything was there */
  readonly installed: readonly string[];
  /** what this machine goes without, a sentence each */
  readonly skipped: readonly string[];
}

/**
 * Makes sure that what the parts need beyond npm is installed.
 * Installs it on Debian and Ubuntu; elsewhere, or when not root, throws SystemError with what to do.
 */
export async function ensureSystem(
  parts: readonly SystemPart[],
  signal?: AbortSignal,
): Promise<SystemResult> {
  if (process.platform !== "linux") {
    throw new SystemError(`cannot start containerd on ${process.platform}: use Linux`);
  }
  const path = harnessConfig().inherited["PATH"] ?? "";
  const { missing, skipped } = await sort(await missingRequirements(parts, path), signal);
  const packages = [...new Set(missing.map((requirement) => requirement.debianPackage))];
  const isRoot = process.getuid?.() === 0;
  if (missing.length > 0 && !(await usesApt())) {
    throw new SystemError(`${lacks(missing)}: install them with this system's package manager`);
  }
  if (missing.length > 0 && !isRoot) {
    throw new SystemError(`${lacks(missing)}: run "apt-get install ${packages.join(" ")}" as root`);
  }
  if (!isRoot) {
    throw new SystemError("starting containerd, mounts and network namespaces need root: run this as root");
  }
  if (missing.length === 0) return { installed: [], skipped };

  await installPackages(packages, signal);
  const { missing: stillMissing } = await sort(await missingRequirements(parts, path), signal);
  if (stillMissing.length > 0) {
    throw new SystemError(
      `${lacks(stillMissing)}, although ${packages.join(", ")} got installed: look at PATH (${path})`,
    );
  }
  return { installed: packages, skipped };
}

/** Parts what must be installed from what this machine may go without. */
async function sort(
  all: readonly Requirement[],
  signal: AbortSignal | undefined,
): Promise<{ readonly missing: readonly Requirement[]; readonly skipped: readonly string[] }> {
  const missing: Requirement[] = [];
  const skipped: string[] = [];
  for (const requirement of all) {
    const excuse = await excuseFor(requirement, { signal });
    if (excuse === undefined) missing.push(requirement);
    else skipped.push(excuse);
  }
  return { missing, skipped };
}

function lacks(missing: readonly Requirement[]): string {
  const things = missing.map(({ program, debianPackage, static: isStatic }) => {
    return `${isStatic === true ? "a static " : ""}${program} (Debian package ${debianPackage})`;
  });
  return `this machine lacks ${things.join(", ")}`;
}

async function main(args: readonly string[]): Promise<number> {
  const parts: SystemPart[] = ["nodes", "test"];
  for (const arg of args) {
    if (arg === "--bench") parts.push("bench");
    else if (arg === "--matrix") parts.push("matrix");
    else {
      process.stderr.write(`unknown option "${arg}": use --bench, --matrix or nothing\n`);
      return 2;
    }
  }
  try {
    const { installed, skipped } = await ensureSystem(parts);
    const said = installed.length === 0 ? "everything is installed" : `installed ${installed.join(", ")}`;
    process.stdout.write(`system for ${parts.join(", ")}: ${said}\n`);
    for (const excuse of skipped) process.stdout.write(`${excuse}\n`);
    return 0;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
