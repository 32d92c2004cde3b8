/** `npm run bench -- transfer|controller|relay`: measures what tote claims, on this machine. */

import process from "node:process";

import { describeError } from "../../lib/errors.ts";
import { formatHelp } from "../../lib/flag-help.ts";
import type { FlagSpecs, FlagValues } from "../../lib/flag-types.ts";
import { parseFlags } from "../../lib/flags.ts";
import { CONTROLLER_FLAGS, runControllerBench } from "./controller/controller.ts";
import { RELAY_FLAGS, runRelayBench } from "./relay/relay.ts";
import { TRANSFER_FLAGS, runTransferBench } from "./transfer.ts";

const ABOUT_TRANSFER = `Moves images between two containerd nodes in three ways and compares: by tote, by a pull from a registry
over CRI, and by ctr's export and import. Needs root. Takes about half an hour; with --quick two minutes.`;

const ABOUT_CONTROLLER = `Runs a controller against an API server in memory with 5,000 nodes and 100,000 pods, and agents that move
nothing; then among agents that never answer. Takes about four minutes; with --quick two.`;

const ABOUT_RELAY = `Posts events to a webhook relay on loopback, one by one and by the hundred, has it deliver them, and compares with the
same HTTP client in a bare loop against a server that keeps nothing. Takes about two minutes; with --quick half a minute.`;

/** What can be measured. */
const BENCHES = ["transfer", "controller", "relay"] as const;

async function main(argv: readonly string[]): Promise<number> {
  const [name = "", ...rest] = argv;
  switch (name) {
    case "transfer":
      return await bench({ name, about: ABOUT_TRANSFER, flags: TRANSFER_FLAGS, run: runTransferBench }, rest);
    case "controller":
      return await bench(
        { name, about: ABOUT_CONTROLLER, flags: CONTROLLER_FLAGS, run: runControllerBench },
        rest,
      );
    case "relay":
      return await bench({ name, about: ABOUT_RELAY, flags: RELAY_FLAGS, run: runRelayBench }, rest);
    default:
      process.stderr.write(
        `bench: ${JSON.stringify(name)} is no bench, must be one of ${BENCHES.join(", ")}\n`,
      );
      return 2;
  }
}

async function bench<Specs extends FlagSpecs>(
  what: {
    readonly name: string;
    readonly about: string;
    readonly flags: Specs;
    readonly run: (values: FlagValues<Specs>, print: (text: string) => void) => Promise<void>;
  },
  argv: readonly string[],
): Promise<number> {
  const parsed = parseFlags(what.flags, argv, {});
  if (parsed.kind === "help") {
    process.stdout.write(formatHelp(`npm run bench -- ${what.name} [flags]`, what.about, what.flags));
    return 0;
  }
  if (parsed.kind === "error") {
    process.stderr.write(`bench: ${parsed.message}\n`);
    return 2;
  }
  try {
    await what.run(parsed.values, (text) => void process.stdout.write(text));
    return 0;
  } catch (error) {
    process.stderr.write(`\nbench failed: ${describeError(error)}\n`);
    return 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
