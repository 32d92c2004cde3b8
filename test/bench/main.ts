/** `npm run bench -- transfer|controller|relay`: measures what tote claims, on this machine; 1 when a bar is missed. */

import process from "node:process";

import { CONTROLLER_FLAGS, runControllerBench } from "./controller/controller.ts";
import { RELAY_FLAGS, runRelayBench } from "./relay/relay.ts";
import { runBench } from "./run-bench.ts";
import { TRANSFER_FLAGS, runTransferBench } from "./transfer.ts";

const ABOUT_TRANSFER = `Moves images between two containerd nodes in three ways and compares: by tote, by a pull from a registry
over CRI, and by ctr's export and import. Needs root. Takes about half an hour; with --quick two minutes.`;

const ABOUT_CONTROLLER = `Runs a controller against an API server in memory with 5,000 nodes and 100,000 pods, and agents that move
nothing; then among agents that never answer. Takes about four minutes; with --quick two.`;

const ABOUT_RELAY = `Posts events to a webhook relay on loopback, one by one and by the hundred, has it deliver them, and compares with the
same HTTP client in a bare loop against a server that keeps nothing; then tells events to 99 receivers, beside one that never answers
and without it. Takes about two minutes; with --quick half a minute.`;

/** What can be measured. */
const BENCHES = ["transfer", "controller", "relay"] as const;

async function main(argv: readonly string[]): Promise<number> {
  const [name = "", ...rest] = argv;
  switch (name) {
    case "transfer":
      return await runBench(
        { name, about: ABOUT_TRANSFER, flags: TRANSFER_FLAGS, run: runTransferBench },
        rest,
        process,
      );
    case "controller":
      return await runBench(
        { name, about: ABOUT_CONTROLLER, flags: CONTROLLER_FLAGS, run: runControllerBench },
        rest,
        process,
      );
    case "relay":
      return await runBench(
        { name, about: ABOUT_RELAY, flags: RELAY_FLAGS, run: runRelayBench },
        rest,
        process,
      );
    default:
      process.stderr.write(
        `bench: ${JSON.stringify(name)} is no bench, must be one of ${BENCHES.join(", ")}\n`,
      );
      return 2;
  }
}

process.exitCode = await main(process.argv.slice(2));
