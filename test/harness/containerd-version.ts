import { join } from "node:path";
import { fetchContainerd, readVersion } from "../setup/fetch-containerd.ts";
import { harnessConfig, type ContainerdVersion } from "./config.ts";

/** Where the programs of a containerd release are. */
export interface ContainerdPrograms {
  /** what `containerd --version` says, e.g. "1.6.20" */
  readonly version: string;
  readonly containerd: string;
  readonly ctr: string;
  /** put first on PATH, so that the daemon finds its own shim; undefined for the system's */
  readonly binDir: string | undefined;
}

/**
 * Finds the programs of a release line: the system's when it is of that line (or none is asked for), else a fetched one.
 * Throws an Error when 1.6 is asked for and the system has another.
 */
export async function containerdPrograms(
  line: ContainerdVersion | undefined = harnessConfig().containerdVersion,
  signal?: AbortSignal,
): Promise<ContainerdPrograms> {
  const system = await readVersion("containerd", signal);
  if (line === undefined || system.startsWith(`${line}.`)) {
    return { version: system, containerd: "containerd", ctr: "ctr", binDir: undefined };
  }
  if (line === "1.6") {
    throw new Error(`cannot start containerd 1.6: the system's is ${system}; run this on Debian 12`);
  }
  const { binDir, version } = await fetchContainerd(line, signal);
  return { version, containerd: join(binDir, "containerd"), ctr: join(binDir, "ctr"), binDir };
}
