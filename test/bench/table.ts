import { formatSize } from "../../lib/units.ts";
import type { BenchCase } from "./cases.ts";
import type { Bar, CaseSummary } from "./summary.ts";

const COLUMNS = [
  "case",
  "a tote",
  "b pull",
  "c ctr",
  "a/b",
  "a/c",
  "moved a",
  "moved b",
  "memory a",
  "cpu a: agents + containerds",
  "cpu b",
  "cpu c",
] as const;

/** A case and what came of it. */
export interface TableRow {
  readonly bench: BenchCase;
  readonly summary: CaseSummary;
}

/** The table of one setting, and below it every bar that was missed. */
export function formatTable(rows: readonly TableRow[]): string {
  const cells = [COLUMNS, ...rows.map(rowCells)];
  const widths = COLUMNS.map((_, at) => Math.max(...cells.map((row) => row[at]?.length ?? 0)));
  const lines = cells.map((row) =>
    row
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join("  "),
  );
  const bars = rows.flatMap(({ bench, summary }) => summary.bars.map((bar) => formatBar(bench.title, bar)));
  return `${[...lines, "", ...bars].join("\n")}\n`;
}

function rowCells({ bench, summary }: TableRow): readonly string[] {
  const { medians, ratios, peakMemory } = summary;
  const { tote, pull, ctr } = medians;
  const seconds = (value: number): string => `${value.toFixed(2)} s`;
  const sum = (values: readonly number[]): string =>
    seconds(values.reduce((total, value) => total + value, 0));
  return [
    bench.title,
    seconds(tote.seconds),
    seconds(pull.seconds),
    seconds(ctr.seconds),
    ratios.toPull.toFixed(2),
    ratios.toCtr.toFixed(2),
    formatSize(tote.movedBytes),
    formatSize(pull.movedBytes),
    `${formatSize(peakMemory.a)} / ${formatSize(peakMemory.b)}`,
    `${seconds(tote.cpu.agentA)} + ${seconds(tote.cpu.agentB)} + ${sum([tote.cpu.containerdA, tote.cpu.containerdB])}`,
    sum([pull.cpu.registry, pull.cpu.containerdB]),
    sum([ctr.cpu.commands, ctr.cpu.containerdA, ctr.cpu.containerdB]),
  ];
}

/** One line: met or missed, and by how much. */
export function formatBar(title: string, { name, value, limit, met }: Bar): string {
  const show = limit > 1000 ? formatSize : (number: number) => number.toFixed(2);
  return `${met ? "met   " : "MISSED"}  ${title}: ${name} ${show(value)}, at most ${show(limit)}`;
}
