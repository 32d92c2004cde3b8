/**
 * `npm run test:cluster [SUITE...]`: a real Kubernetes cluster, brought up once, all suites (or those named, e.g. "outage")
 * against it, and taken down whatever happens. A cluster made by hand is used as it is and stays. With KUBECONFIG only the
 * suites that need no access to nodes run, on that cluster; tote's definition, account and rights stay there.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { glob } from "node:fs/promises";
import { constants } from "node:os";
import { basename, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

import { describeError } from "../../lib/errors.ts";
import { signal } from "../harness/process-table.ts";
import { ensureSystem } from "../setup/system.ts";
import { downCluster, KEPT_LOGS, upCluster } from "./cluster.ts";
import { clusterConfig } from "./config.ts";
import { kubernetesBinaries } from "./kubernetes-binaries.ts";
import { nodeSpecs } from "./node-specs.ts";
import { clusterLayout, type ClusterLayout } from "./layout.ts";
import { recordOf, writeRecord } from "./recorded-process.ts";
import { isOwned, readState } from "./state.ts";

const SUITES = fileURLToPath(new URL("suites/", import.meta.url));
const CONTROL = fileURLToPath(new URL("../control/", import.meta.url));
/** the tests of the controller that need no faults of the API server: unchanged, with a real one each */
const CONTROL_TESTS = [
  "straight-path.test.ts",
  "situations.test.ts",
  "authorisation.test.ts",
  "orders.test.ts",
  "corrupt.test.ts",
  "stops.test.ts",
] as const;
/** suites that can do with any cluster, such as kind or k3s: that of KUBECONFIG */
const NODELESS = ["rights", "control"] as const;
const SUITES_PROCESS = "suites";
const ENDING_SIGNALS = ["SIGHUP", "SIGINT", "SIGTERM"] as const;

const started = performance.now();

function say(line: string): void {
  const seconds = ((performance.now() - started) / 1000).toFixed(0).padStart(4);
  process.stderr.write(`${seconds} s  ${line}\n`);
}

/** Files by the names of suites. */
async function allSuites(): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, readonly string[]>([
    ["control", CONTROL_TESTS.map((name) => join(CONTROL, name))],
  ]);
  for await (const file of glob(join(SUITES, "*.suite.ts"))) found.set(basename(file, ".suite.ts"), [file]);
  return found;
}

function choose(all: ReadonlyMap<string, readonly string[]>, names: readonly string[]): readonly string[] {
  return (names.length === 0 ? [...all.keys()].toSorted() : names).flatMap((name) => {
    const files = all.get(name);
    if (files === undefined)
      throw new RangeError(`no suite "${name}": there are ${[...all.keys()].join(", ")}`);
    return files;
  });
}

/**
 * Runs the suites; answers node's exit code.
 * @param layout of the cluster that is taken down with them, if this run has made one
 */
async function runSuites(
  files: readonly string[],
  stop: AbortSignal,
  layout?: ClusterLayout,
): Promise<number> {
  say(`suites: ${files.map((file) => basename(file, ".ts")).join(", ")}`);
  const child = spawn(
    process.execPath,
    ["--test", "--test-concurrency=1", "--test-reporter=spec", ...files],
    {
      stdio: "inherit",
      // a group of its own, which whoever takes down a killed run ends as a whole
      detached: true,
      // for the tests of the controller among them
      env: { ...process.env, TOTE_TEST_API_SERVER: "real" },
    },
  );
  const ended = once(child, "exit");
  const { pid } = child;
  if (pid === undefined) throw new Error(`cannot start ${process.execPath}`);
  if (layout !== undefined) writeRecord(layout, SUITES_PROCESS, { ...recordOf(pid), isGroup: true });
  const end = (): void => void signal(-pid, "SIGTERM");
  stop.addEventListener("abort", end, { once: true });
  if (stop.aborted) end();
  await ended;
  stop.removeEventListener("abort", end);
  return child.exitCode ?? 1;
}

async function main(args: readonly string[]): Promise<number> {
  const stop = new AbortController();
  let code = 0;
  for (const name of ENDING_SIGNALS) {
    process.on(name, () => {
      say(`${name}: ending`);
      code = 128 + constants.signals[name];
      stop.abort();
    });
  }
  const config = clusterConfig();
  const isForeign = config.kubeconfig !== undefined;
  const files = choose(await allSuites(), isForeign && args.length === 0 ? NODELESS : args);
  await ensureSystem(["nodes", "test", "matrix", "cluster"], stop.signal);
  const binaries = await kubernetesBinaries({ say, config, signal: stop.signal });
  const there = readState();
  if (isForeign) {
    say(`using the cluster of KUBECONFIG (${config.kubeconfig}) for suites that need no access to nodes`);
    return await runSuites(files, stop.signal);
  }
  const isByHand = there?.phase === "up" && there.owner === undefined;
  if (there !== undefined && isOwned(there)) {
    throw new Error(`process ${there.owner?.pid} runs the cluster tests already: wait for its end`);
  }
  try {
    if (isByHand) say("using the cluster that is up");
    else {
      await upCluster({
        binaries,
        nodes: nodeSpecs(),
        owner: recordOf(process.pid),
        say,
        signal: stop.signal,
      });
    }
    const result = await runSuites(files, stop.signal, isByHand ? undefined : clusterLayout());
    if (code === 0) code = result;
  } catch (error) {
    if (!stop.signal.aborted) {
      say(describeError(error));
      code = 1;
    }
  } finally {
    if (!isByHand) {
      say("taking the cluster down");
      await downCluster(code === 0 ? {} : { keepLogs: KEPT_LOGS });
      if (code !== 0) say(`logs of all components: ${KEPT_LOGS}`);
    }
  }
  return code;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  say(describeError(error));
  process.exitCode = 1;
}
