/**
 * `npm run test:cluster [SUITE...]`: a real Kubernetes cluster, brought up once, all suites (or those named, e.g. "outage")
 * against it, and taken down whatever happens. A cluster made by hand is used as it is and stays. With KUBECONFIG only the
 * suites that need no access to nodes run, on that cluster; tote's definition stays there.
 */

import { constants } from "node:os";
import process from "node:process";

import { describeError } from "../../lib/errors.ts";
import { ensureSystem } from "../setup/system.ts";
import { downCluster, upCluster } from "./cluster.ts";
import { foreignKubeconfig } from "./foreign-cluster.ts";
import { KEPT_LOGS } from "./kept-logs.ts";
import { findKubectl, kubernetesBinaries } from "./kubernetes-binaries.ts";
import { nodeSpecs } from "./node-specs.ts";
import { clusterLayout } from "./layout.ts";
import { recordOf } from "./recorded-process.ts";
import { resultLines, runSuites, type RunOptions } from "./run-suites.ts";
import { isOwned, readState } from "./state.ts";
import { allSuites, chooseSuites, type Suite } from "./suites.ts";

const ENDING_SIGNALS = ["SIGHUP", "SIGINT", "SIGTERM"] as const;

const started = performance.now();

function say(line: string): void {
  const seconds = ((performance.now() - started) / 1000).toFixed(0).padStart(4);
  process.stderr.write(`${seconds} s  ${line}\n`);
}

/** Runs suites and says how each went; answers the exit code. */
async function run(suites: readonly Suite[], options: RunOptions): Promise<number> {
  const results = await runSuites(suites, options);
  for (const line of resultLines(results)) say(line);
  return results.every(({ outcome }) => outcome === "passed") ? 0 : 1;
}

/** On a cluster that is up, or one that is brought up for this run and taken down after it. */
async function runOnOwn(suites: readonly Suite[], options: RunOptions): Promise<number> {
  const { stop } = options;
  await ensureSystem(["nodes", "test", "matrix", "cluster"], stop);
  const binaries = await kubernetesBinaries({ say, signal: stop });
  const there = readState();
  if (there !== undefined && isOwned(there)) {
    throw new Error(`process ${there.owner?.pid} has a cluster up or is about to: wait for its end`);
  }
  if (there?.phase === "up" && there.owner === undefined) {
    say("using the cluster that is up");
    return await run(suites, options);
  }
  let code = 1;
  try {
    await upCluster({ binaries, nodes: nodeSpecs(), owner: recordOf(process.pid), say, signal: stop });
    code = await run(suites, { ...options, layout: clusterLayout() });
  } catch (error) {
    if (!stop.aborted) say(describeError(error));
  } finally {
    say("taking the cluster down");
    const keepsLogs = code !== 0 && !stop.aborted;
    await downCluster({ keepsLogs });
    if (keepsLogs) say(`logs of all components: ${KEPT_LOGS}`);
  }
  return code;
}

async function main(args: readonly string[]): Promise<number> {
  const [stop, kill] = [new AbortController(), new AbortController()];
  let ending: number | undefined;
  for (const name of ENDING_SIGNALS) {
    process.on(name, () => {
      say(ending === undefined ? `${name}: ending` : `${name} again: ending at once`);
      if (ending !== undefined) kill.abort();
      ending ??= 128 + constants.signals[name];
      stop.abort();
    });
  }
  const options = { say, stop: stop.signal, kill: kill.signal };
  const foreign = foreignKubeconfig();
  const suites = chooseSuites(await allSuites(), args, foreign !== undefined);
  if (foreign === undefined) {
    const code = await runOnOwn(suites, options);
    return ending ?? code;
  }
  findKubectl();
  say(`KUBECONFIG names a cluster (${foreign}): only suites that need no access to nodes run, there`);
  const code = await run(suites, options);
  return ending ?? code;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  say(describeError(error));
  process.exitCode = 1;
}
