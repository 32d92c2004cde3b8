import { mkdir, writeFile } from "node:fs/promises";
import { cpus, loadavg, release, totalmem } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

import type { FlagValues } from "../../../lib/flag-types.ts";
import { defineFlags } from "../../../lib/flags.ts";
import { TEST_KEY } from "../../../webhook-relay/testing/relay-rig.ts";
import { createCleanup } from "../../harness/cleanup.ts";
import { startRelayProcess } from "../../relay/relay-process.ts";
import { startFarEnd } from "./far-end-client.ts";
import {
  measureRound,
  neighboursConfig,
  type RelayBench,
  type RelayLoad,
  type RelaySample,
} from "./measures.ts";
import { formatRelay, summarizeRelay, type RelaySummary } from "./summary.ts";

/** What the command line may say. */
export const RELAY_FLAGS = defineFlags({
  rounds: { kind: "int", default: 5, min: 1, help: "how often everything is measured; medians are shown" },
  quick: { kind: "boolean", help: "a tenth of the events, to try the bench itself" },
});

const LOAD: RelayLoad = { single: 2_000, batched: 6_000, paced: 300, fanned: 50 };
const QUICK: RelayLoad = { single: 200, batched: 600, paced: 100, fanned: 10 };
const RESULTS = fileURLToPath(new URL("../results", import.meta.url));

/** Measures a relay in a process of its own, prints a table and goals, and writes all samples to a JSON file. Answers the goals. */
export async function runRelayBench(
  flags: FlagValues<typeof RELAY_FLAGS>,
  print: (text: string) => void,
): Promise<RelaySummary["goals"]> {
  const cleanup = createCleanup();
  try {
    const farEnd = await startFarEnd(cleanup);
    const common = { cleanup, files: { key: `${TEST_KEY}\n` }, args: ["--log-level=warn"] };
    const relay = await startRelayProcess({
      ...common,
      config: `subscriptions: [{name: hook, type: webhook, url: "${farEnd.hookUrl}", secretFiles: key, allowAddresses: 127.0.0.1}]`,
    });
    const directory = join(cleanup.directory(), "fan-out");
    const fanOut = await startRelayProcess({ ...common, directory, config: neighboursConfig(farEnd) });
    const load = flags.quick ? QUICK : LOAD;
    const samples = await runRounds({ relay, fanOut, farEnd }, load, flags.rounds, print);
    const summary = summarizeRelay(samples);
    print(`\n${formatRelay(summary)}`);
    const file = await writeReport({ rounds: flags.rounds, load, summary, samples });
    print(`\nall samples: ${file}\n`);
    return summary.goals;
  } finally {
    await cleanup.run();
  }
}

async function runRounds(
  bench: RelayBench,
  load: RelayLoad,
  rounds: number,
  print: (text: string) => void,
): Promise<readonly RelaySample[]> {
  // the first round is for caches and compiled code
  await measureRound(bench, QUICK, "warm-up");
  const samples: RelaySample[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const sample = await measureRound(bench, load, `round-${round}`);
    samples.push(sample);
    const { acceptSingle, acceptBatched, deliver } = sample;
    const [single, batched, delivered] = [acceptSingle, acceptBatched, deliver].map(({ relay, bare }) => {
      return `${Math.round(relay)}/s (bare ${Math.round(bare)}/s)`;
    });
    print(`round ${round}: accepts ${single}, by the hundred ${batched}, deliveries ${delivered}\n`);
  }
  return samples;
}

async function writeReport(report: object): Promise<string> {
  const at = new Date().toISOString();
  const [cpu] = cpus();
  const machine = {
    cpu: cpu?.model,
    cpus: cpus().length,
    load: loadavg()[0],
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
  };
  await mkdir(RESULTS, { recursive: true });
  const file = join(RESULTS, `relay-${at.replaceAll(":", "-")}.json`);
  await writeFile(file, `${JSON.stringify({ at, machine, ...report }, undefined, 2)}\n`);
  return file;
}
