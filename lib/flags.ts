import { InvalidValueError } from "./errors.ts";
import { parseFlagValue } from "./flag-values.ts";
import type { AnyFlagValue } from "./flag-values.ts";
import type { FlagSpec, FlagSpecs, FlagsResult, FlagValues } from "./flag-types.ts";

/** Environment variables by name, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A flag's text and how errors call the place it came from. */
interface Given {
  readonly from: string;
  readonly text: string;
}

/** Declares flags without losing their literal types; the argument comes back as it is. */
export function defineFlags<const Specs extends FlagSpecs>(specs: Specs): Specs {
  return specs;
}

/** The environment twin of a flag: "grpc-port" is TOTE_GRPC_PORT. */
export function environmentName(flag: string): string {
  return `TOTE_${flag.toUpperCase().replaceAll("-", "_")}`;
}

/**
 * Reads a command line and its environment twins after a declaration. Pure.
 *
 * `--name value` and `--name=value` mean the same; the last one wins, lists add up. A flag wins over its variable; an
 * empty variable counts as not set. Unknown variables are ignored (Kubernetes sets some of its own), unknown flags and
 * arguments without a flag are errors.
 *
 * @param specs the flags, see {@link defineFlags}
 * @param argv the arguments after the command, without program and script
 * @param env the environment
 */
export function parseFlags<const Specs extends FlagSpecs>(
  specs: Specs,
  argv: readonly string[],
  env: Environment,
): FlagsResult<Specs> {
  try {
    const given = readArguments(specs, argv);
    if (given === "help") return { kind: "help" };
    for (const name of Object.keys(specs)) {
      const from = environmentName(name);
      const text = env[from];
      if (!given.has(name) && text !== undefined && text !== "") given.set(name, { from, text });
    }
    const values: Record<string, AnyFlagValue | undefined> = {};
    // what was given comes first: a mistake in it is the likely reason why something else is missing
    for (const [name, { from, text }] of given) {
      const spec = specs[name];
      if (spec !== undefined) values[camelCase(name)] = parseFlagValue(from, text, spec);
    }
    for (const [name, spec] of Object.entries(specs)) {
      if (!given.has(name)) values[camelCase(name)] = defaultValue(name, spec);
    }
    if (!isComplete(specs, values)) throw new Error("a declared flag was left out");
    return { kind: "values", values, given: new Set(given.keys()) };
  } catch (error) {
    if (error instanceof InvalidValueError) return { kind: "error", message: error.message };
    throw error;
  }
}

function readArguments(specs: FlagSpecs, argv: readonly string[]): Map<string, Given> | "help" {
  const given = new Map<string, Given>();
  const rest = [...argv];
  for (let argument = rest.shift(); argument !== undefined; argument = rest.shift()) {
    if (argument === "--help" || argument === "-h") return "help";
    const [, name, inline] = /^--([a-zA-Z0-9][^=]*)(?:=([^]*))?$/.exec(argument) ?? [];
    if (name === undefined) throw refuseArgument(argument);
    const spec = Object.hasOwn(specs, name) ? specs[name] : undefined;
    if (spec === undefined) throw new InvalidValueError(`--${name}`, unknownFlag(specs, name));
    const text = inline ?? takeValue(name, spec, rest);
    const before = given.get(name);
    const adds = spec.kind === "list" && before !== undefined;
    given.set(name, { from: `--${name}`, text: adds ? `${before.text},${text}` : text });
  }
  return given;
}

/** Takes the value of `--name` from the arguments that follow it. */
function takeValue(name: string, spec: FlagSpec, rest: string[]): string {
  const next = rest[0];
  const words = wordsAfterBareFlag(spec);
  if (words !== undefined) {
    if (next === undefined || !words.choices.includes(next)) return words.bare;
  } else if (next === undefined || next.startsWith("--")) {
    throw new InvalidValueError(`--${name}`, `needs a value, write --${name}=${placeholder(spec)}`);
  }
  rest.shift();
  return next;
}

/** For a flag that may stand alone: what that means, and the words that are its value when they follow it. */
function wordsAfterBareFlag(
  spec: FlagSpec,
): { readonly bare: string; readonly choices: readonly string[] } | undefined {
  if (spec.kind === "boolean") return { bare: "true", choices: ["true", "false"] };
  if (spec.kind === "choice" && spec.bare !== undefined) return { bare: spec.bare, choices: spec.choices };
  return undefined;
}

function isComplete<Specs extends FlagSpecs>(specs: Specs, values: object): values is FlagValues<Specs> {
  return Object.keys(specs).every((name) => Object.hasOwn(values, camelCase(name)));
}

function defaultValue(name: string, spec: FlagSpec): AnyFlagValue | undefined {
  if (spec.required === true) {
    throw new InvalidValueError(
      `--${name}`,
      `is required, give it or ${environmentName(name)}: ${placeholder(spec)}, ${spec.help}`,
    );
  }
  switch (spec.kind) {
    case "boolean":
      return spec.default ?? false;
    case "list":
      return spec.default ?? [];
    case "int":
      return spec.default;
    default:
      return spec.default === undefined ? undefined : parseFlagValue(`--${name}`, spec.default, spec);
  }
}

/** The word for a flag's value in help and errors. */
export function placeholder(spec: FlagSpec): string {
  if (spec.placeholder !== undefined) return spec.placeholder;
  switch (spec.kind) {
    case "boolean":
      return "true|false";
    case "choice":
      return spec.choices.join("|");
    case "hostport":
      return "HOST:PORT";
    case "int":
      return "NUMBER";
    case "list":
      return "A,B,...";
    default:
      return spec.kind.toUpperCase();
  }
}

function refuseArgument(argument: string): InvalidValueError {
  const shown = JSON.stringify(argument);
  if (argument.startsWith("-") && argument !== "--") {
    return new InvalidValueError(
      argument,
      `is not a flag, flags are written --name or --name=value, see --help`,
    );
  }
  return new InvalidValueError(
    shown,
    "is not expected here, values follow a flag as --name value, see --help",
  );
}

function unknownFlag(specs: FlagSpecs, name: string): string {
  const wanted = name.toLowerCase().replaceAll("_", "-");
  const near = Object.keys(specs).find((known) => editDistance(known, wanted) <= 2);
  return near === undefined ? "unknown flag, see --help" : `unknown flag, did you mean --${near}?`;
}

function camelCase(name: string): string {
  return name.replaceAll(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** Levenshtein distance, enough for names of flags. */
function editDistance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= left.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= right.length; j += 1) {
      const substitution = (row[j - 1] ?? 0) + (left[i - 1] === right[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[right.length] ?? 0;
}
