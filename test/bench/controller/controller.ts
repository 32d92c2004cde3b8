import { mkdir, writeFile } from "node:fs/promises";
import { cpus, loadavg, release, totalmem } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

import { NODE_OPTION } from "../../../build/image/image-config.ts";
import type { FlagValues } from "../../../lib/flag-types.ts";
import { defineFlags } from "../../../lib/flags.ts";
import { ROLES } from "../../../lib/roles.ts";
import { createCleanup } from "../../harness/cleanup.ts";
import { createPki } from "../../harness/pki.ts";
import { BLACK_HOLES, runBlackHoles, type BlackHoleReport } from "./black-holes.ts";
import { largeCluster, runLargeCluster, type LargeReport } from "./large-cluster.ts";
import { blackHoleBars, formatBlackHoles, formatLarge, largeBars, type ControllerBar } from "./summary.ts";

const PARTS = ["large", "black-holes"] as const;
type Part = (typeof PARTS)[number];

/** What the command line may say. */
export const CONTROLLER_FLAGS = defineFlags({
  part: { kind: "list", choices: PARTS, help: "only these parts; default both" },
  quick: { kind: "boolean", help: "a tenth of the nodes and pods, to try the bench itself" },
});

const RESULTS = fileURLToPath(new URL("../results", import.meta.url));

/** Runs what the flags ask for, prints lines and bars, and writes all samples to a JSON file. Answers the bars. */
export async function runControllerBench(
  flags: FlagValues<typeof CONTROLLER_FLAGS>,
  print: (text: string) => void,
): Promise<readonly ControllerBar[]> {
  const wants = (part: Part): boolean => flags.part.length === 0 || flags.part.includes(part);
  let large: LargeReport | undefined;
  let blackHoles: BlackHoleReport | undefined;
  if (wants("large")) {
    const spec = largeCluster(flags.quick ? 0.1 : 1);
    print(
      `\n== ${spec.nodes} nodes with ${spec.imagesPerNode} images each, ${spec.pods} pods, 1 % failing\n`,
    );
    large = await withCertificates((options) => runLargeCluster(spec, { ...options, print }));
    print(`\n${formatLarge(large)}`);
  }
  if (wants("black-holes")) {
    const spec = BLACK_HOLES;
    print(
      `\n== ${spec.nodes} nodes, ${spec.blackHoles} of them black holes, ${spec.cases} tags that nobody knows\n`,
    );
    blackHoles = await withCertificates((options) => runBlackHoles(spec, { ...options, print }));
    print(`\n${formatBlackHoles(blackHoles)}`);
  }
  const file = await writeReport({ quick: flags.quick, nodeOption: NODE_OPTION, large, blackHoles });
  print(`\nall samples: ${file}\n`);
  return [
    ...(large === undefined ? [] : largeBars(large)),
    ...(blackHoles === undefined ? [] : blackHoleBars(blackHoles)),
  ];
}

async function withCertificates<T>(
  run: (options: {
    readonly cleanup: ReturnType<typeof createCleanup>;
    readonly agentCerts: string;
    readonly controllerCerts: string;
  }) => Promise<T>,
): Promise<T> {
  const cleanup = createCleanup();
  try {
    const pki = await createPki();
    const certs = async (role: typeof ROLES.agent | typeof ROLES.controller): Promise<string> =>
      await pki.write(join(cleanup.directory(), role), await pki.role(role));
    const [agentCerts, controllerCerts] = [await certs(ROLES.agent), await certs(ROLES.controller)];
    return await run({ cleanup, agentCerts, controllerCerts });
  } finally {
    await cleanup.run();
  }
}

async function writeReport(report: object): Promise<string> {
  await mkdir(RESULTS, { recursive: true });
  const time = new Date().toISOString();
  const [cpu] = cpus();
  const machine = {
    cpu: cpu?.model,
    cores: cpus().length,
    load: loadavg()[0],
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
  };
  const file = join(RESULTS, `controller-${time.replaceAll(/[:.]/g, "-")}.json`);
  await writeFile(file, `${JSON.stringify({ time, machine, ...report }, undefined, 2)}\n`);
  return file;
}
