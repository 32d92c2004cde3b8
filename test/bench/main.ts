/** `npm run bench -- transfer`: measures what tote claims, on this machine. */

import process from "node:process";

import { describeError } from "../../lib/errors.ts";
import { formatHelp } from "../../lib/flag-help.ts";
import { parseFlags } from "../../lib/flags.ts";
import { TRANSFER_FLAGS, runTransferBench } from "./transfer.ts";

const ABOUT = `Moves images between two containerd nodes in three ways and compares: by tote, by a pull from a registry
over CRI, and by ctr's export and import. Needs root. Takes about half an hour; with --quick two minutes.`;

async function main(argv: readonly string[]): Promise<number> {
  const [bench = "", ...rest] = argv;
  if (bench !== "transfer") {
    process.stderr.write(`bench: ${JSON.stringify(bench)} is no bench, must be transfer\n`);
    return 2;
  }
  const parsed = parseFlags(TRANSFER_FLAGS, rest, {});
  if (parsed.kind === "help") {
    process.stdout.write(formatHelp("npm run bench -- transfer [flags]", ABOUT, TRANSFER_FLAGS));
    return 0;
  }
  if (parsed.kind === "error") {
    process.stderr.write(`bench: ${parsed.message}\n`);
    return 2;
  }
  try {
    await runTransferBench(parsed.values, (text) => void process.stdout.write(text));
    return 0;
  } catch (error) {
    process.stderr.write(`\nbench failed: ${describeError(error)}\n`);
    return 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
