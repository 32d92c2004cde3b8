import { describeError } from "../../lib/errors.ts";
import { formatHelp } from "../../lib/flag-help.ts";
import type { FlagSpecs, FlagValues } from "../../lib/flag-types.ts";
import { parseFlags } from "../../lib/flags.ts";

/** What a bench is: its flags, and how it is run. */
export interface Bench<Specs extends FlagSpecs> {
  readonly name: string;
  readonly about: string;
  readonly flags: Specs;
  /** Answers every bar that was measured. */
  readonly run: (
    values: FlagValues<Specs>,
    print: (text: string) => void,
  ) => Promise<readonly { readonly met: boolean }[]>;
}

/** Where a bench prints. */
export interface BenchOutput {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

/**
 * Runs a bench.
 * @returns the exit code: 0, 1 when it failed or a bar was missed, 2 for a mistake on the command line
 */
export async function runBench<Specs extends FlagSpecs>(
  bench: Bench<Specs>,
  argv: readonly string[],
  { stdout, stderr }: BenchOutput,
): Promise<number> {
  const parsed = parseFlags(bench.flags, argv, {});
  if (parsed.kind === "help") {
    stdout.write(formatHelp(`npm run bench -- ${bench.name} [flags]`, bench.about, bench.flags));
    return 0;
  }
  if (parsed.kind === "error") {
    stderr.write(`bench: ${parsed.message}\n`);
    return 2;
  }
  try {
    const bars = await bench.run(parsed.values, (text) => void stdout.write(text));
    const missed = bars.filter(({ met }) => !met).length;
    if (missed === 0) return 0;
    stderr.write(`bench: ${missed} of ${bars.length} bars missed\n`);
    return 1;
  } catch (error) {
    stderr.write(`\nbench failed: ${describeError(error)}\n`);
    return 1;
  }
}
