import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { harnessConfig } from "../harness/config.ts";
import { CommandError, run } from "../harness/run.ts";
import { mainArchive, parseSources, sourceOfSuite } from "./debian-sources.ts";
import type { DebianSource } from "./debian-sources.ts";

/** A containerd unpacked from another Debian suite. */
export interface FetchedContainerd {
  /** folder with containerd, ctr and containerd-shim-runc-v2 */
  readonly binDir: string;
  /** e.g. "1.7.24" */
  readonly version: string;
}

/** where Debian has each release line */
const suites = { "1.7": "trixie", "2.1": "sid" } as const;
const downloadTimeoutMs = 600_000;

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
  const parts = join(scratch, "sources");
  for (const path of [
    parts,
    join(scratch, "lists", "partial"),
    join(scratch, "cache", "archives", "partial"),
  ]) {
    await mkdir(path, { recursive: true });
  }
  await writeFile(join(parts, "suite.sources"), sourceOfSuite(await ownArchive(), suite));
  const options = [
    ["Dir::Etc::sourcelist", "/dev/null"],
    ["Dir::Etc::sourceparts", parts],
    // pins and a default release are about the machine's own suite
    ["Dir::Etc::preferences", "/dev/null"],
    ["Dir::Etc::preferencesparts", "/dev/null"],
    ["APT::Default-Release", ""],
    ["Dir::State::Lists", join(scratch, "lists")],
    ["Dir::Cache", join(scratch, "cache")],
    // the sandbox user of apt may not write here
    ["APT::Sandbox::User", "root"],
    ["Acquire::Languages", "none"],
    ["APT::Update::Error-Mode", "any"],
  ].flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  const settings = { signal, cwd: scratch, timeoutMs: downloadTimeoutMs };
  try {
    await run("apt-get", [...options, "-q", "update"], settings);
  } catch (error) {
    throw withKeyAdvice(error, suite);
  }
  await run("apt-get", [...options, "-q", "download", "containerd"], settings);
  const archive = (await readdir(scratch)).find((name) => name.endsWith(".deb"));
  if (archive === undefined) throw new Error(`apt-get download left no containerd package of ${suite}`);
  await run("dpkg", ["-x", join(scratch, archive), join(scratch, "package")], settings);
}

/** The mirror that this machine gets its own release from. */
async function ownArchive(): Promise<DebianSource> {
  const codename = /^VERSION_CODENAME=(\S+)$/m.exec(await readFile("/etc/os-release", "utf8"))?.[1] ?? "";
  const files = ["/etc/apt/sources.list"];
  const folder = "/etc/apt/sources.list.d";
  if (existsSync(folder)) files.push(...(await readdir(folder)).map((name) => join(folder, name)));
  const sources: DebianSource[] = [];
  for (const file of files) {
    if (!/\.(?:list|sources)$/.test(file) || !existsSync(file)) continue;
    sources.push(...parseSources(file, await readFile(file, "utf8")));
  }
  const archive = mainArchive(sources, codename);
  if (archive === undefined) {
    throw new Error(
      `no apt source for the main archive of "${codename}" in /etc/apt: other containerd releases come from Debian's suites, so run this on Debian`,
    );
  }
  return archive;
}

function withKeyAdvice(error: unknown, suite: string): unknown {
  if (
    !(error instanceof CommandError) ||
    !/NO_PUBKEY|not signed|signatures couldn't be verified/.test(error.message)
  ) {
    return error;
  }
  return new Error(
    `cannot verify Debian's ${suite} with the keys of this machine: install a newer debian-archive-keyring`,
    {
      cause: error,
    },
  );
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
