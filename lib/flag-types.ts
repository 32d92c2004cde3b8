/** What every flag has. */
interface CommonSpec {
  /** one sentence for `--help`, without the default */
  readonly help: string;
  /** the start fails when neither flag nor variable is given; excludes `default` */
  readonly required?: boolean;
  /** stands for the value in `--help`, e.g. "DIR"; the kind's own word when absent */
  readonly placeholder?: string;
}

/** Free text; may be empty. */
export interface StringSpec extends CommonSpec {
  readonly kind: "string";
  readonly default?: string;
}

/** A file or folder; must not be empty. */
export interface PathSpec extends CommonSpec {
  readonly kind: "path";
  readonly default?: string;
}

/** true or false; false when nothing is given. `--name` alone means true. */
export interface BooleanSpec extends CommonSpec {
  readonly kind: "boolean";
  readonly default?: boolean;
}

/** A whole number between `min` and `max`, both included. */
export interface IntSpec extends CommonSpec {
  readonly kind: "int";
  readonly default?: number;
  readonly min?: number;
  readonly max?: number;
}

/** A Go-style duration; the value is in milliseconds. Default and bounds are written as durations ("5m"). */
export interface DurationSpec extends CommonSpec {
  readonly kind: "duration";
  readonly default?: string;
  readonly min?: string;
  readonly max?: string;
}

/** A size; the value is in bytes. Default and bounds are written as sizes ("2Gi"). */
export interface SizeSpec extends CommonSpec {
  readonly kind: "size";
  readonly default?: string;
  readonly min?: string;
  readonly max?: string;
}

/** "host:port"; ":8080" means every address, "[::1]:8080" is IPv6. */
export interface HostPortSpec extends CommonSpec {
  readonly kind: "hostport";
  readonly default?: string;
}

/** Texts separated by commas; the flag may also be repeated. Empty when nothing is given. */
export interface ListSpec extends CommonSpec {
  readonly kind: "list";
  readonly default?: readonly string[];
  /** the only texts that are allowed; any when absent */
  readonly choices?: readonly string[];
}

/** One of a few words. */
export interface ChoiceSpec extends CommonSpec {
  readonly kind: "choice";
  readonly choices: readonly string[];
  readonly default?: string;
  /** what `--name` without a value means; such a flag needs a value otherwise */
  readonly bare?: string;
}

/** The declaration of one flag. */
export type FlagSpec =
  | StringSpec
  | PathSpec
  | BooleanSpec
  | IntSpec
  | DurationSpec
  | SizeSpec
  | HostPortSpec
  | ListSpec
  | ChoiceSpec;

/** The flags of a command, by kebab-case name without dashes. */
export type FlagSpecs = Readonly<Record<string, FlagSpec>>;

/** A listening address. */
export interface HostPort {
  /** "" for every address; an IPv6 address without brackets */
  readonly host: string;
  readonly port: number;
}

type CamelCase<Name extends string> = Name extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Name;

type ParsedValue<Spec extends FlagSpec> = Spec extends { kind: "boolean" }
  ? boolean
  : Spec extends { kind: "int" | "duration" | "size" }
    ? number
    : Spec extends { kind: "hostport" }
      ? HostPort
      : Spec extends { kind: "list"; choices: readonly (infer Choice)[] }
        ? readonly Choice[]
        : Spec extends { kind: "list" }
          ? readonly string[]
          : Spec extends { kind: "choice"; choices: readonly (infer Choice)[] }
            ? Choice
            : string;

type IsAlwaysThere<Spec extends FlagSpec> = Spec extends { kind: "boolean" | "list" }
  ? true
  : Spec extends { required: true }
    ? true
    : Spec extends { default: string | number }
      ? true
      : false;

/** The values that a declaration gives, by camelCase name; `undefined` where there is neither value nor default. */
export type FlagValues<Specs extends FlagSpecs> = {
  readonly [Name in keyof Specs & string as CamelCase<Name>]: IsAlwaysThere<Specs[Name]> extends true
    ? ParsedValue<Specs[Name]>
    : ParsedValue<Specs[Name]> | undefined;
};

/** What a command line asks for. */
export type FlagsResult<Specs extends FlagSpecs> =
  | {
      readonly kind: "values";
      readonly values: FlagValues<Specs>;
      /** names of the flags that were set, on the command line or in the environment */
      readonly given: ReadonlySet<keyof Specs & string>;
    }
  | { readonly kind: "help" }
  /** one line that names the flag or variable, the value and what is allowed; the command exits with 2 */
  | { readonly kind: "error"; readonly message: string };

/** What a command line asks of a command whose settings are a Config. */
export type ConfigResult<Config> =
  | { readonly kind: "config"; readonly config: Config }
  | { readonly kind: "help"; readonly text: string }
  /** one line that names the flag, the value and what is allowed; the command exits with 2 */
  | { readonly kind: "error"; readonly message: string };
