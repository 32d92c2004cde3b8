import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CommandError, run } from "../harness/run.ts";
import { mainArchive, parseSources, sourceOfSuite } from "./debian-sources.ts";
import type { DebianSource, SourceType } from "./debian-sources.ts";

const downloadTimeoutMs = 600_000;

/** An apt-get with lists, cache and sources of its own: the machine's apt is left as it is. */
export interface PrivateApt {
  /** Runs an apt-get command in the scratch folder. Throws CommandError. */
  get(...args: readonly string[]): Promise<void>;
}

/**
 * Reads the package lists of one Debian suite into a scratch folder, from the mirror that this machine itself uses.
 * @param options.suite e.g. "trixie"
 * @param options.type binary packages (default) or sources
 * @throws Error when the machine has no Debian mirror or lacks the suite's signing key
 */
export async function privateApt(options: {
  readonly suite: string;
  readonly scratch: string;
  readonly type?: SourceType;
  readonly signal?: AbortSignal | undefined;
}): Promise<PrivateApt> {
  const { suite, scratch, type = "deb", signal } = options;
  const parts = join(scratch, "sources");
  for (const path of [
    parts,
    join(scratch, "lists", "partial"),
    join(scratch, "cache", "archives", "partial"),
  ]) {
    await mkdir(path, { recursive: true });
  }
  await writeFile(join(parts, "suite.sources"), sourceOfSuite(await ownArchive(), suite, type));
  const settings = [
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
  async function get(...args: readonly string[]): Promise<void> {
    await run("apt-get", [...settings, "-q", ...args], {
      signal,
      cwd: scratch,
      timeoutMs: downloadTimeoutMs,
    });
  }
  try {
    await get("update");
  } catch (error) {
    throw withKeyAdvice(error, suite);
  }
  return { get };
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
      `no apt source for the main archive of "${codename}" in /etc/apt: what the tests fetch comes from Debian's suites, so run this on Debian`,
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
