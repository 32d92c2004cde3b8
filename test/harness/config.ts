import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

/** Release lines of containerd that the tests know; "1.6" is the one that Debian 12 installs. */
export const containerdVersions = ["1.6", "1.7", "2.1"] as const;

/** One of the release lines. */
export type ContainerdVersion = (typeof containerdVersions)[number];

/** Whether a text names a release line. */
export function isContainerdVersion(value: string): value is ContainerdVersion {
  return containerdVersions.some((version) => version === value);
}

/** What the environment may say to the harness. */
export interface HarnessConfig {
  /** TOTE_TEST_CONTAINERD: run all tests on this release line instead of the system's containerd */
  readonly containerdVersion: ContainerdVersion | undefined;
  /** TOTE_TEST_DIR: where directories of runs are made, default the system's temporary folder; must not be overlayfs */
  readonly directory: string;
  /** TOTE_TEST_CACHE: what is fetched once, default ~/.cache/tote-test */
  readonly cache: string;
  /** environment that child processes inherit */
  readonly inherited: Readonly<Record<string, string | undefined>>;
}

/** Reads the harness's configuration; throws RangeError for a value that is not allowed. */
export function harnessConfig(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): HarnessConfig {
  return {
    containerdVersion: containerdVersion(environment["TOTE_TEST_CONTAINERD"]),
    directory: environment["TOTE_TEST_DIR"] ?? tmpdir(),
    cache: environment["TOTE_TEST_CACHE"] ?? join(homedir(), ".cache", "tote-test"),
    inherited: environment,
  };
}

function containerdVersion(value: string | undefined): HarnessConfig["containerdVersion"] {
  if (value === undefined || value === "") return undefined;
  if (isContainerdVersion(value)) return value;
  throw new RangeError(`cannot use TOTE_TEST_CONTAINERD "${value}": use ${containerdVersions.join(", ")}`);
}
