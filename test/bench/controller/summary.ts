/** From what was measured to lines and bars. Pure. */

import { formatSize } from "../../../lib/units.ts";
import type { BlackHoleReport } from "./black-holes.ts";
import type { CpuSeconds } from "./controller-run.ts";
import type { LargeReport } from "./large-cluster.ts";

/** One thing that must hold. */
export interface ControllerBar {
  readonly name: string;
  readonly value: number;
  readonly limit: number;
  readonly unit: "bytes" | "ms" | "times";
  readonly met: boolean;
}

const MAX_MEMORY_BYTES = 400 * 1024 * 1024;
const MAX_P99_MS = 250;
/** Questions that may be asked again. */
const MAX_REPEATED = 0;

/** The smallest value that at least so many percent of all values do not exceed. Throws when there are none. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  const value = sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)];
  if (value === undefined) throw new Error("no values to take a percentile of");
  return value;
}

/** What must hold in a large cluster. */
export function largeBars({ memoryAfterSync, latenciesMs, view }: LargeReport): readonly ControllerBar[] {
  return [
    bar("resident memory after the first sync", memoryAfterSync.now, MAX_MEMORY_BYTES, "bytes"),
    bar("p99 from a pod's status to ImportImage", percentile(latenciesMs, 99), MAX_P99_MS, "ms"),
    bar("questions asked again", view.repeated, MAX_REPEATED, "times"),
  ];
}

/** What must hold among black holes. */
export function blackHoleBars({ view }: BlackHoleReport): readonly ControllerBar[] {
  return [bar("questions asked again", view.repeated, MAX_REPEATED, "times")];
}

/** The lines about a large cluster. */
export function formatLarge(report: LargeReport): string {
  const {
    syncSeconds,
    syncCpu,
    memoryAfterSync,
    memoryAtEnd,
    stormSeconds,
    idleCpu,
    updates,
    latenciesMs,
    view,
  } = report;
  const percent = (share: number): string => `${(share * 100).toFixed(1)} % of a core`;
  const ms = (at: number): string => `${percentile(latenciesMs, at).toFixed(0)} ms`;
  const rows: readonly (readonly [string, string])[] = [
    ["time to first sync", `${syncSeconds.toFixed(1)} s`],
    ["CPU meanwhile", formatCpu(syncCpu)],
    ["memory after it (peak)", `${formatSize(memoryAfterSync.now)} (${formatSize(memoryAfterSync.peak)})`],
    [`${report.spec.failingCases} salvages after it`, `${stormSeconds.toFixed(1)} s`],
    ["CPU, idle", percent(idleCpu)],
    [`CPU at ${updates.perSecond.toFixed(0)} pod updates/s`, percent(updates.cpu)],
    ["pod status to ImportImage", `p50 ${ms(50)}, p99 ${ms(99)}, max ${ms(100)} of ${latenciesMs.length}`],
    ["memory at the end (peak)", `${formatSize(memoryAtEnd.now)} (${formatSize(memoryAtEnd.peak)})`],
    ["questions to agents", `${view.questions}, ${view.repeated} of them again; ${view.imports} imports`],
  ];
  return table(rows, largeBars(report));
}

/** The lines about black holes. */
export function formatBlackHoles(report: BlackHoleReport): string {
  const { seconds, cpu, memoryAtEnd, spec, view } = report;
  const rows: readonly (readonly [string, string])[] = [
    [`${spec.cases} unknown tags refused after`, `${seconds.toFixed(1)} s`],
    ["CPU meanwhile", formatCpu(cpu)],
    ["memory at the end (peak)", `${formatSize(memoryAtEnd.now)} (${formatSize(memoryAtEnd.peak)})`],
    ["questions answered", `${view.questions}, ${view.repeated} of them again`],
    ["connections to black holes", `${view.silentConnections} to ${spec.blackHoles}`],
  ];
  return table(rows, blackHoleBars(report));
}

/** One line: met or missed, and by how much. */
export function formatControllerBar({ name, value, limit, unit, met }: ControllerBar): string {
  const show = (number: number): string =>
    unit === "bytes" ? formatSize(number) : `${Math.round(number)} ${unit}`;
  return `${met ? "met   " : "MISSED"}  ${name} ${show(value)}, at most ${show(limit)}`;
}

function formatCpu({ controller, world }: CpuSeconds): string {
  return `controller ${controller.toFixed(1)} s, API server and agents ${world.toFixed(1)} s`;
}

function table(rows: readonly (readonly [string, string])[], bars: readonly ControllerBar[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
  return `${[...lines, "", ...bars.map(formatControllerBar)].join("\n")}\n`;
}

function bar(name: string, value: number, limit: number, unit: ControllerBar["unit"]): ControllerBar {
  return { name, value, limit, unit, met: value <= limit };
}
