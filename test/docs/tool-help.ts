/** What kubectl and helm take, read from their own help. */

import { run } from "../harness/run.ts";

/** A flag and whether a value follows it. */
export type ToolFlags = ReadonlyMap<string, { readonly takesValue: boolean }>;

/** One command of a tool. */
interface ToolCommand {
  readonly subcommands: ReadonlySet<string>;
  /** it does nothing itself */
  readonly isGroup: boolean;
  readonly flags: ToolFlags;
}

/** Finds what is wrong with command lines of a tool. */
export class ToolHelp {
  readonly #program: string;
  /** prints the flags that every command takes; with helm each command's help has them */
  readonly #globals: readonly string[] | undefined;
  readonly #known = new Map<string, Promise<ToolCommand>>();

  /** @param globals arguments that print flags of all commands, if the help of each does not */
  constructor(program: string, globals?: readonly string[]) {
    this.#program = program;
    this.#globals = globals;
  }

  /** What is wrong with a command line, without the program; undefined when the tool would understand it. */
  async mistake(words: readonly string[]): Promise<string | undefined> {
    const verbs: string[] = [];
    for (;;) {
      const { subcommands, isGroup, flags } = await this.#command(verbs);
      const { positionals, mistake } = parse(words, flags);
      const verb = positionals[verbs.length];
      if (verb !== undefined && subcommands.has(verb)) verbs.push(verb);
      else if (isGroup && verb !== undefined) return `no command "${[...verbs, verb].join(" ")}"`;
      else return mistake === undefined ? undefined : `${verbs.join(" ")}: ${mistake}`;
    }
  }

  #command(verbs: readonly string[]): Promise<ToolCommand> {
    const key = verbs.join(" ");
    const found = this.#known.get(key) ?? this.#read(verbs);
    this.#known.set(key, found);
    return found;
  }

  async #read(verbs: readonly string[]): Promise<ToolCommand> {
    const help = (await run(this.#program, [...verbs, "--help"])).stdout;
    const globals = this.#globals === undefined ? "" : (await run(this.#program, this.#globals)).stdout;
    const isGroup = verbs.length === 0 || /^ {2}\w+ .*(?:\[command\]|SUBCOMMAND)/m.test(help);
    return { subcommands: subcommandsOf(help), isGroup, flags: flagsOf(`${help}\n${globals}`) };
  }
}

/** Flags of a help text: "-f, --filename=[]:" of kubectl, "-f, --values strings   what it is" of helm. */
export function flagsOf(help: string): ToolFlags {
  const flags = new Map<string, { readonly takesValue: boolean }>();
  for (const [, short, long = "", rest = ""] of help.matchAll(
    /^ +(?:(-\w), )?(--[a-z][a-z0-9-]*)((?:=.*:$| \w+ )?)/gm,
  )) {
    const flag = { takesValue: rest !== "" && !/^=(?:true|false):$/.test(rest) };
    flags.set(long, flag);
    if (short !== undefined) flags.set(short, flag);
  }
  return flags;
}

/** Commands below this one, which are listed with two spaces before them. */
function subcommandsOf(help: string): ReadonlySet<string> {
  const sections = help.split("\n\n").filter((section) => /^[\w ()]*Commands[^\n]*:\n/.test(section));
  return new Set(
    sections.flatMap((section) => [...section.matchAll(/^ {2}([a-z][a-z-]*) {2,}/gm)].map(nameOf)),
  );
}

function nameOf([, name = ""]: RegExpExecArray): string {
  return name;
}

/** Positional arguments, and the first flag that is not there or lacks its value. */
function parse(
  words: readonly string[],
  flags: ToolFlags,
): { readonly positionals: readonly string[]; readonly mistake?: string } {
  const positionals: string[] = [];
  let mistake: string | undefined;
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? "";
    if (word === "--") break;
    if (!word.startsWith("-") || word === "-") {
      positionals.push(word);
      continue;
    }
    const [name = "", ...value] = word.split("=");
    const flag = flags.get(name);
    if (flag === undefined) mistake ??= `no flag ${name}`;
    else if (flag.takesValue && value.length === 0) {
      at += 1;
      if (at === words.length) mistake ??= `${name} lacks its value`;
    }
  }
  return { positionals, ...(mistake !== undefined && { mistake }) };
}
