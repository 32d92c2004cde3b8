/** `npm run demo [-- salvage|relay]`: what tote does, on this machine, in under a minute, with nothing left behind. */

import process from "node:process";

import { describeError } from "../../lib/errors.ts";
import { runRelayDemo } from "./relay.ts";
import { runSalvageDemo } from "./salvage.ts";

const DEMOS: ReadonlyMap<string, () => Promise<void>> = new Map([
  ["salvage", runSalvageDemo],
  ["relay", runRelayDemo],
]);

async function main(name = "salvage"): Promise<number> {
  const demo = DEMOS.get(name);
  if (demo === undefined) {
    const known = [...DEMOS.keys()].join(" or ");
    process.stderr.write(`demo: ${JSON.stringify(name)} is no demo, must be ${known}\n`);
    return 2;
  }
  try {
    await demo();
    return 0;
  } catch (error) {
    process.stderr.write(`\ndemo failed: ${describeError(error)}\n`);
    return 1;
  }
}

process.exitCode = await main(process.argv[2]);
