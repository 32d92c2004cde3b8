/** From samples to medians, ratios and goals. Pure. */

import { percentile } from "../controller/summary.ts";
import { median } from "../summary.ts";
import type { Pair, RelaySample } from "./measures.ts";

/** Something that the relay wants to reach, per second. */
export interface Goal {
  readonly name: string;
  readonly value: number;
  readonly wanted: number;
  readonly met: boolean;
}

/** A line of the table. */
export interface RelayRow {
  readonly name: string;
  readonly unit: "/s" | "ms";
  readonly relay: number;
  readonly bare: number;
  /** of the relay to the bare loop, both of the same round; the median of all rounds */
  readonly ratio: number;
}

/** What all rounds say. */
export interface RelaySummary {
  readonly rows: readonly RelayRow[];
  /** milliseconds to each of many receivers, 99th percentile; the ratio as in the rows */
  readonly neighbours: { readonly alone: number; readonly besideDead: number; readonly ratio: number };
  readonly goals: readonly Goal[];
}

const WANTED_ACCEPTS = 2_000;
const WANTED_DELIVERIES = 1_000;

/** Sums rounds up. Throws when there are none. */
export function summarizeRelay(samples: readonly RelaySample[]): RelaySummary {
  const row = (
    name: string,
    unit: RelayRow["unit"],
    of: (sample: RelaySample) => Pair<number>,
  ): RelayRow => ({
    name,
    unit,
    relay: median(samples.map((sample) => of(sample).relay)),
    bare: median(samples.map((sample) => of(sample).bare)),
    ratio: median(samples.map((sample) => of(sample).relay / of(sample).bare)),
  });
  const latency = (percent: number) => (sample: RelaySample) => ({
    relay: percentile(sample.latencyMs.relay, percent),
    bare: percentile(sample.latencyMs.bare, percent),
  });
  const slowest = samples.map(({ neighbours: { alone, besideDead } }) => {
    return { alone: percentile(alone, 99), besideDead: percentile(besideDead, 99) };
  });
  const batched = row("accepts, 100 to a request", "/s", ({ acceptBatched }) => acceptBatched);
  const delivered = row("deliveries", "/s", ({ deliver }) => deliver);
  return {
    rows: [
      row("accepts, one to a request", "/s", ({ acceptSingle }) => acceptSingle),
      batched,
      delivered,
      row("post to arrival, p50", "ms", latency(50)),
      row("post to arrival, p99", "ms", latency(99)),
    ],
    neighbours: {
      alone: median(slowest.map(({ alone }) => alone)),
      besideDead: median(slowest.map(({ besideDead }) => besideDead)),
      ratio: median(slowest.map(({ alone, besideDead }) => besideDead / alone)),
    },
    goals: [
      goal("batched accepts/s", batched.relay, WANTED_ACCEPTS),
      goal("deliveries/s", delivered.relay, WANTED_DELIVERIES),
    ],
  };
}

/** The table, and below it each goal. */
export function formatRelay({ rows, neighbours, goals }: RelaySummary): string {
  const cells = [
    ["", "relay", "bare loop", "relay/bare"],
    ...rows.map(({ name, unit, relay, bare, ratio }) => [
      name,
      show(relay, unit),
      show(bare, unit),
      ratio.toFixed(2),
    ]),
  ];
  const widths = [0, 1, 2, 3].map((at) => Math.max(...cells.map((row) => row[at]?.length ?? 0)));
  const lines = cells.map((row) =>
    row
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join("  "),
  );
  const marks = goals.map(
    ({ name, value, wanted, met }) =>
      `${met ? "met   " : "MISSED"}  ${name} ${Math.round(value)}, at least ${wanted}`,
  );
  const { alone, besideDead, ratio } = neighbours;
  const beside = `post to arrival at each of many receivers, p99: ${show(alone, "ms")}, beside one that never answers ${show(besideDead, "ms")}, ratio ${ratio.toFixed(2)}`;
  return `${[...lines, "", beside, "", ...marks].join("\n")}\n`;
}

function show(value: number, unit: RelayRow["unit"]): string {
  return unit === "ms" ? `${value.toFixed(1)} ms` : `${Math.round(value)}/s`;
}

function goal(name: string, value: number, wanted: number): Goal {
  return { name, value, wanted, met: value >= wanted };
}
