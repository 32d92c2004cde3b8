/** From samples to medians, ratios and bars. Pure. */
import type { BenchCase } from "./cases.ts";
import { METHODS, type CpuUse, type Method, type Sample } from "./methods.ts";

/** Medians of one method. */
export interface MethodSummary {
  readonly seconds: number;
  readonly movedBytes: number;
  readonly cpu: CpuUse;
}

/** One thing that must hold. */
export interface Bar {
  readonly name: string;
  readonly value: number;
  readonly limit: number;
  readonly met: boolean;
}

/** What the samples of a case say. */
export interface CaseSummary {
  readonly medians: Readonly<Record<Method, MethodSummary>>;
  /** median seconds of tote over those of the others */
  readonly ratios: { readonly toPull: number; readonly toCtr: number };
  /** largest of all samples, in bytes */
  readonly peakMemory: { readonly a: number; readonly b: number };
  readonly bars: readonly Bar[];
}

/** Slowest that a full copy may be, against a pull. */
const MAX_TO_PULL = 1.6;
/** Slowest that a copy may be, against ctr. */
const MAX_TO_CTR = 1;
/** Largest peak of an agent's resident memory. */
const MAX_MEMORY_BYTES = 200 * 1024 * 1024;
/** What may move besides the layers that are missing, as a part of them. */
const MAX_OVERHEAD = 0.01;

/** The median; the lower one of an even number of values. Throws when there is none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted[Math.floor((sorted.length - 1) / 2)];
  if (middle === undefined) throw new Error("no values to take a median of");
  return middle;
}

/**
 * Sums up a case.
 * @param missingBytes size of the layers that the target lacks
 */
export function summarize(bench: BenchCase, missingBytes: number, samples: readonly Sample[]): CaseSummary {
  const [tote, pull, ctr] = METHODS.map((method) =>
    methodSummary(samples.filter((s) => s.method === method)),
  );
  if (tote === undefined || pull === undefined || ctr === undefined) throw new Error("a method is missing");
  const ratios = { toPull: tote.seconds / pull.seconds, toCtr: tote.seconds / ctr.seconds };
  const peaks = samples.flatMap(({ peakMemory }) => peakMemory ?? []);
  const peakMemory = {
    a: Math.max(...peaks.map(({ a }) => a)),
    b: Math.max(...peaks.map(({ b }) => b)),
  };
  const bars = [
    ...(bench.onTarget === 0 ? [below("a/b", ratios.toPull, MAX_TO_PULL)] : []),
    below("a/c", ratios.toCtr, MAX_TO_CTR),
    ...(bench.onTarget > 0 ? [below("bytes moved", tote.movedBytes, missingBytes * (1 + MAX_OVERHEAD))] : []),
    below("memory of the source's agent", peakMemory.a, MAX_MEMORY_BYTES),
    below("memory of the target's agent", peakMemory.b, MAX_MEMORY_BYTES),
  ];
  return { medians: { tote, pull, ctr }, ratios, peakMemory, bars };
}

function below(name: string, value: number, limit: number): Bar {
  return { name, value, limit, met: value <= limit };
}

function methodSummary(samples: readonly Sample[]): MethodSummary {
  const of = (value: (sample: Sample) => number): number => median(samples.map(value));
  return {
    seconds: of(({ seconds }) => seconds),
    movedBytes: of(({ movedBytes }) => movedBytes),
    cpu: {
      agentA: of(({ cpu }) => cpu.agentA),
      agentB: of(({ cpu }) => cpu.agentB),
      containerdA: of(({ cpu }) => cpu.containerdA),
      containerdB: of(({ cpu }) => cpu.containerdB),
      registry: of(({ cpu }) => cpu.registry),
      commands: of(({ cpu }) => cpu.commands),
    },
  };
}
