import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { harnessConfig } from "../harness/config.ts";
import { run } from "../harness/run.ts";
import { privateApt } from "./private-apt.ts";

/** A containerd unpacked from another Debian suite. */
export interface FetchedContainerd {
  /** folder with containerd, ctr and containerd-shim-runc-v2 */
  readonly binDir: string;
  /** e.g. "1.7.24" */
  readonly version: string;
}

/** where Debian has each release line */
const suites = { "1.7": "trixie", "2.1": "sid" } as const;

/**
 * Fetches containerd 1.7 (trixie) or 2.1 (sid) into ~/.cache/tote-test, once; the machine's own apt is left alone.
 * Throws an Error when the machine has no Debian mirror, lacks the suite's signing key, or the suite has moved on.
 */
export async function fetchContainerd(line: "1.7" | "2.1", signal?: AbortSignal): Promise<FetchedContainerd> {
  const { cache } = harnessConfig();
  const target = join(cache, `containerd-${line}`);
  const binDir = join(target, "usr", "bin");
  if (!existsSync(join(binDir, "containerd"))) {
    await mkdir(cache, { recursive: true });
    const scratch = await mkdtemp(join(cache, "fetch-"));
    try {
      await unpack(suites[line], scratch, signal);
      await checkVersion(join(scratch, "package", "usr", "bin"), line, signal);
      await moveInto(join(scratch, "package"), target);
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  }
  return { binDir, version: await checkVersion(binDir, line, signal) };
}

async function unpack(suite: string, scratch: string, signal: AbortSignal | undefined): Promise<void> {
  const apt = await privateApt({ suite, scratch, signal });
  await apt.get("download", "containerd");
  const archive = (await readdir(scratch)).find((name) => name.endsWith(".deb"));
  if (archive === undefined) throw new Error(`apt-get download left no containerd package of ${suite}`);
  await run("dpkg", ["-x", join(scratch, archive), join(scratch, "package")], { signal, cwd: scratch });
}

async function checkVersion(binDir: string, line: string, signal: AbortSignal | undefined): Promise<string> {
  const version = await readVersion(join(binDir, "containerd"), signal);
  if (!version.startsWith(`${line}.`)) {
    throw new Error(
      `asked for containerd ${line} and got ${version}: the suite has moved on to another release line`,
    );
  }
  return version;
}

/** Asks a containerd program for its version, e.g. "2.1.9". */
export async function readVersion(program: string, signal?: AbortSignal): Promise<string> {
  const { stdout } = await run(program, ["--version"], { signal });
  const version = / v?(\d+\.\d+\.\d+)/.exec(stdout)?.[1];
  if (version === undefined)
    throw new Error(`no version in what ${program} --version says: ${stdout.trim()}`);
  return version;
}

/** Two runs may fetch at once: the first one wins, the other's copy is dropped with its scratch folder. */
async function moveInto(from: string, target: string): Promise<void> {
  try {
    await rename(from, target);
  } catch (error) {
    if (!existsSync(join(target, "usr", "bin", "containerd"))) throw error;
  }
}
