/** `npm run cluster -- up|down|status|kubeconfig`: the cluster of the tests, for working by hand. */

import process from "node:process";

import { describeError } from "../../lib/errors.ts";
import { ensureSystem } from "../setup/system.ts";
import { downCluster, openCluster, upCluster } from "./cluster.ts";
import { KEPT_LOGS } from "./kept-logs.ts";
import { kubernetesBinaries } from "./kubernetes-binaries.ts";
import { DEFAULT_VERSIONS, nodeSpecs } from "./node-specs.ts";
import { readRecord, recordedNames } from "./recorded-process.ts";
import { isOwned, layoutOf, readState } from "./state.ts";

const ENDING_SIGNALS = ["SIGHUP", "SIGINT", "SIGTERM"] as const;
const USAGE = `npm run cluster -- COMMAND
  up [VERSION...]  bring a cluster up, one node per version of containerd (default ${DEFAULT_VERSIONS.join(" ")})
  down             take it down, or what is left of it
  status           what runs
  kubeconfig       path of the admin's kubeconfig: export KUBECONFIG=$(npm run --silent cluster -- kubeconfig)
`;

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Brings a cluster up, and takes it down again when that fails or is interrupted. */
async function up(versions: readonly string[]): Promise<number> {
  const stop = new AbortController();
  for (const name of ENDING_SIGNALS) process.on(name, () => stop.abort(new Error(`ended by ${name}`)));
  const { signal } = stop;
  await ensureSystem(["nodes", "test", "matrix", "cluster"], signal);
  const nodes = nodeSpecs(versions.length === 0 ? undefined : versions);
  const binaries = await kubernetesBinaries({ say, signal });
  refuseOwned();
  try {
    const { kubeconfig } = await upCluster({ nodes, say, binaries, signal });
    say(`up: export KUBECONFIG=${kubeconfig}`);
    return 0;
  } catch (error) {
    say("taking down what came up");
    await downCluster({ keepsLogs: !signal.aborted });
    if (signal.aborted) throw error;
    throw new Error(`the cluster did not come up, logs are in ${KEPT_LOGS}`, { cause: error });
  }
}

function refuseOwned(): void {
  const state = readState();
  if (state !== undefined && isOwned(state)) {
    throw new Error(
      `process ${state.owner?.pid} brings this cluster up, or runs tests on it: wait for its end`,
    );
  }
}

async function status(): Promise<number> {
  const state = readState();
  if (state === undefined) {
    say("no cluster");
    return 1;
  }
  const layout = layoutOf(state);
  const how = state.owner === undefined ? "by hand" : `by process ${state.owner.pid}`;
  say(`${state.phase}, ${how}, data and logs in ${layout.data}`);
  for (const name of recordedNames(layout)) {
    const record = readRecord(layout, name);
    say(`  ${name}: ${record === undefined ? "has ended" : `process ${record.pid}`}`);
  }
  if (state.phase !== "up") return 1;
  const { kubectl } = await openCluster();
  process.stdout.write((await kubectl(["get", "nodes", "-o", "wide"])).stdout);
  return 0;
}

async function main([command, ...args]: readonly string[]): Promise<number> {
  switch (command) {
    case "up":
      return await up(args);
    case "down":
      refuseOwned();
      await downCluster();
      return 0;
    case "status":
      return await status();
    case "kubeconfig":
      process.stdout.write(`${(await openCluster()).kubeconfig}\n`);
      return 0;
    default:
      process.stderr.write(USAGE);
      return 2;
  }
}

if (import.meta.main) {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    say(describeError(error));
    process.exitCode = 1;
  }
}
