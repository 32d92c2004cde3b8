import { environmentName, placeholder } from "./flags.ts";
import type { FlagSpec, FlagSpecs } from "./flag-types.ts";

/** Widest column of flags before the help texts, in characters. */
const MAX_FLAG_COLUMN = 36;

/**
 * The `--help` text of a command: usage, what it does, then every flag with its help and default, aligned.
 * @param usage the command line, e.g. "tote agent [flags]"
 * @param description one or more lines
 */
export function formatHelp(usage: string, description: string, specs: FlagSpecs): string {
  const rows = Object.entries(specs).map(([name, spec]) => ({
    left: flagColumn(name, spec),
    right: helpColumn(spec),
  }));
  rows.push({ left: "--help", right: "print this text" });
  const width = Math.min(MAX_FLAG_COLUMN, Math.max(...rows.map((row) => row.left.length)));
  const lines = rows.map(({ left, right }) =>
    left.length > width ? `  ${left}\n  ${" ".repeat(width)}  ${right}` : `  ${left.padEnd(width)}  ${right}`,
  );
  const example = Object.keys(specs)[0];
  const twin =
    example === undefined
      ? []
      : ["", `Every flag has an environment twin: ${environmentName(example)} for --${example}.`];
  return [`usage: ${usage}`, "", description, "", "flags:", ...lines, ...twin, ""].join("\n");
}

function flagColumn(name: string, spec: FlagSpec): string {
  return spec.kind === "boolean" ? `--${name}` : `--${name} ${placeholder(spec)}`;
}

function helpColumn(spec: FlagSpec): string {
  const notes = [
    ...(spec.required === true ? ["required"] : []),
    ...flagLimits(spec),
    ...(flagDefault(spec) === undefined ? [] : [`default ${flagDefault(spec)}`]),
  ];
  return notes.length === 0 ? spec.help : `${spec.help} (${notes.join(", ")})`;
}

/** The bounds and words that a flag allows, for a person. */
export function flagLimits(spec: FlagSpec): readonly string[] {
  if (spec.kind === "list" && spec.choices !== undefined) return [`any of ${spec.choices.join(", ")}`];
  if (spec.kind !== "int" && spec.kind !== "duration" && spec.kind !== "size") return [];
  return [
    ...(spec.min === undefined ? [] : [`at least ${spec.min}`]),
    ...(spec.max === undefined ? [] : [`at most ${spec.max}`]),
  ];
}

/** The default as `--help` shows it; undefined when there is none. */
export function flagDefault(spec: FlagSpec): string | undefined {
  if (spec.required === true) return undefined;
  if (spec.kind === "boolean") return String(spec.default ?? false);
  if (spec.kind === "list") return spec.default?.join(",");
  if (spec.default === undefined || spec.default === "") return undefined;
  return String(spec.default);
}
