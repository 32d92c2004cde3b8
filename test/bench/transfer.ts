import { mkdir, writeFile } from "node:fs/promises";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

import type { FlagValues } from "../../lib/flag-types.ts";
import { defineFlags } from "../../lib/flags.ts";
import { createCleanup, type Cleanup } from "../harness/cleanup.ts";
import { ensureSystem } from "../setup/system.ts";
import { buildCase, CASES, quick, type BenchCase, type CaseImages } from "./cases.ts";
import { measure, METHODS, type Sample } from "./methods.ts";
import {
  prepareCase,
  SETTINGS,
  startBenchNodes,
  UnavailableSettingError,
  type BenchNodes,
  type BenchSetting,
} from "./nodes.ts";
import { summarize, type Bar, type CaseSummary } from "./summary.ts";
import { formatTable, type TableRow } from "./table.ts";

/** What the command line may say. */
export const TRANSFER_FLAGS = defineFlags({
  rounds: {
    kind: "int",
    default: 5,
    min: 1,
    help: "how often each case is run in each way; medians are shown",
  },
  case: { kind: "list", choices: CASES.map(({ name }) => name), help: "only these cases; default all" },
  setting: {
    kind: "list",
    choices: SETTINGS.map(({ name }) => name),
    help: "only these surroundings of the agents; default all",
  },
  quick: { kind: "boolean", help: "a tenth of the bytes, to try the bench itself" },
  "cpu-prof": { kind: "path", placeholder: "DIR", help: "let the agents leave CPU profiles there" },
});

/** A case in a setting, as it goes into the file. */
interface CaseReport extends CaseSummary {
  readonly case: BenchCase;
  readonly samples: readonly Sample[];
}

/** A setting, as it goes into the file. */
interface SettingReport {
  readonly setting: BenchSetting;
  /** why it was not measured */
  readonly unavailable?: string;
  readonly cases: readonly CaseReport[];
}

const RESULTS = fileURLToPath(new URL("results", import.meta.url));

/** Runs everything that the flags ask for, prints a table for each setting and writes all samples to a JSON file. Answers the bars. */
export async function runTransferBench(
  flags: FlagValues<typeof TRANSFER_FLAGS>,
  print: (text: string) => void,
): Promise<readonly Bar[]> {
  await ensureSystem(["nodes", "bench"]);
  const cleanup = createCleanup();
  try {
    const settings = SETTINGS.filter(
      ({ name }) => flags.setting.length === 0 || flags.setting.includes(name),
    );
    const chosen = CASES.filter(({ name }) => flags.case.length === 0 || flags.case.includes(name));
    const work = { flags, cases: flags.quick ? chosen.map(quick) : chosen, cleanup, print };
    const reports: SettingReport[] = [];
    for (const setting of settings) {
      print(`\n== ${setting.title}\n`);
      reports.push(await runSetting(setting, work));
    }
    const file = await writeReport({ rounds: flags.rounds, quick: flags.quick, settings: reports });
    print(`\nall samples: ${file}\n`);
    return reports.flatMap(({ cases }) => cases.flatMap(({ bars }) => bars));
  } finally {
    await cleanup.run();
  }
}

interface Work {
  readonly flags: FlagValues<typeof TRANSFER_FLAGS>;
  readonly cases: readonly BenchCase[];
  readonly cleanup: Cleanup;
  readonly print: (text: string) => void;
}

async function runSetting(setting: BenchSetting, work: Work): Promise<SettingReport> {
  const registryDir = join(work.cleanup.directory(), "registry");
  const images = join(work.cleanup.directory(), "images");
  await mkdir(images, { recursive: true });
  let nodes: BenchNodes | undefined;
  try {
    nodes = await startBenchNodes(setting, { registryDir, profileDir: work.flags.cpuProf });
    const cases: CaseReport[] = [];
    for (const bench of work.cases) {
      cases.push(await runCase(bench, await buildCase(bench, images), nodes, work));
    }
    const rows = cases.map((report): TableRow => ({ bench: report.case, summary: report }));
    work.print(`\n${formatTable(rows)}`);
    return { setting, cases };
  } catch (error) {
    if (!(error instanceof UnavailableSettingError)) throw error;
    work.print(`not measured: ${error.message}\n`);
    return { setting, unavailable: error.message, cases: [] };
  } finally {
    await nodes?.rig.cleanup.run();
  }
}

async function runCase(
  bench: BenchCase,
  images: CaseImages,
  nodes: BenchNodes,
  { flags, print }: Work,
): Promise<CaseReport> {
  print(`${bench.title}: `);
  const ready = await prepareCase(nodes, bench, images);
  const samples: Sample[] = [];
  for (let round = 0; round < flags.rounds; round++) {
    // the ways take turns in going first, so that what disturbs the machine disturbs all alike
    for (let turn = 0; turn < METHODS.length; turn++) {
      const method = METHODS[(round + turn) % METHODS.length] ?? METHODS[0];
      await ready.clean();
      const sample = await measure(method, nodes, ready);
      samples.push(sample);
      print(`${method} ${sample.seconds.toFixed(2)} s, `);
    }
  }
  print("done\n");
  await ready.clean();
  await ready.remove();
  const missingBytes = images.image.layers.slice(bench.onTarget).reduce((sum, { size }) => sum + size, 0);
  return { case: bench, samples, ...summarize(bench, missingBytes, samples) };
}

async function writeReport(report: {
  readonly rounds: number;
  readonly quick: boolean;
  readonly settings: readonly SettingReport[];
}): Promise<string> {
  const at = new Date().toISOString();
  const [cpu] = cpus();
  const machine = {
    cpu: cpu?.model,
    cpus: cpus().length,
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
  };
  await mkdir(RESULTS, { recursive: true });
  const file = join(RESULTS, `transfer-${at.replaceAll(":", "-")}.json`);
  await writeFile(file, `${JSON.stringify({ at, machine, ...report }, undefined, 2)}\n`);
  return file;
}
