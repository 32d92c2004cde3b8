/**
 * `npx node test/cluster/interrupt-main.ts`: one run of the cluster tests is killed while its cluster starts, the next is
 * interrupted in a suite, and then nothing may be left of either. Takes about two minutes; prints what was there and what is.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";

import { describeError } from "../../lib/errors.ts";
import { waitFor } from "../harness/wait.ts";
import { findLeftovers, newSince, type Leftovers } from "./machine-leftovers.ts";
import { clusterLayout } from "./layout.ts";
import { readRecord, recordedNames } from "./recorded-process.ts";
import { readState } from "./state.ts";

const MAIN = fileURLToPath(new URL("main.ts", import.meta.url));
const patienceMs = 300_000;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Starts the cluster tests with a suite, and sends a signal when they have printed something; answers how they ended. */
async function runUntil(suite: string, printed: RegExp, signal: NodeJS.Signals): Promise<string> {
  const child = spawn(process.execPath, [MAIN, suite], { stdio: ["ignore", "pipe", "pipe"] });
  const ended = once(child, "exit");
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (piece: Buffer) => (output += piece.toString()));
  }
  try {
    await waitFor(`the run of ${suite} to print ${printed}`, () => printed.test(output), {
      timeoutMs: patienceMs,
    });
    child.kill(signal);
    await ended;
  } catch (error) {
    child.kill("SIGKILL");
    throw new Error(`the run of ${suite} has printed: ${output}`, { cause: error });
  }
  return child.signalCode ?? `code ${child.exitCode}`;
}

function running(): readonly string[] {
  const layout = clusterLayout();
  return recordedNames(layout).filter((name) => readRecord(layout, name) !== undefined);
}

function count(found: Leftovers): string {
  const { namespaces, links, mounts, processes, folders, cgroups } = found;
  return Object.entries({ namespaces, links, mounts, processes, folders, cgroups })
    .map(([what, all]) => `${all.length} ${what}`)
    .join(", ");
}

async function main(): Promise<number> {
  if (readState() !== undefined) throw new Error('a cluster is up: run "npm run cluster -- down" first');
  const before = findLeftovers();
  say(`before: ${count(before)}`);
  say(`killed while the cluster starts: ${await runUntil("outage", /kubelets\n/, "SIGKILL")}`);
  const killed = findLeftovers();
  say(`left by it: ${count(killed)}; running: ${running().join(", ")}`);
  if (killed.processes.length === 0 || readState()?.phase !== "starting") {
    throw new Error("it was not killed while the cluster started");
  }
  say(`the next one, interrupted in a suite: ${await runUntil("outage", /✔ a Deployment by tag/, "SIGINT")}`);
  const after = findLeftovers();
  say(`after: ${count(after)}; running: ${running().join(", ") || "nothing"}`);
  const left = newSince(before, after);
  for (const what of left) say(what);
  say(left.length === 0 ? "nothing is left" : "something is left");
  return left.length === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  say(describeError(error));
  process.exitCode = 1;
}
