/** Kills a relay as often as told: `node test/relay/kill-main.ts [SEEDS] [FIRST SEED]`, default 200 from 1. */

import process from "node:process";

import { runKills } from "./kill-run.ts";

const [seeds = "200", first = "1"] = process.argv.slice(2);
const report = await runKills(Number(seeds), Number(first));
process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
const bad = [
  report.lost,
  report.unexplained,
  report.tooMany,
  report.unknown,
  report.notReplayed,
  report.forgotten,
  report.slack.unsaid,
  report.slack.doubled,
  report.slack.overRepeated,
];
process.exitCode = bad.every((list) => list.length === 0) ? 0 : 1;
