import { flagDefault, flagLimits } from "../../lib/flag-help.ts";
import type { FlagSpec } from "../../lib/flag-types.ts";
import { environmentName, placeholder } from "../../lib/flags.ts";
import { COMMANDS, type Command } from "./commands.ts";
import { table } from "./markdown.ts";

/** The flags of every command in Markdown, from the tables that read the command line and from `--help`. */
export async function cliReference(): Promise<string> {
  const sections = await Promise.all(COMMANDS.map(section));
  return sections.join("\n\n");
}

async function section(command: Command): Promise<string> {
  const { usage, about } = readHelp(await command.help());
  const heading = `### tote ${command.name}\n\n\`\`\`text\n${usage}\n\`\`\``;
  const text = about === "" ? heading : `${heading}\n\n${about}`;
  return `${text}\n\n${flagTable(command)}`;
}

function flagTable({ flags, hasTwins }: Command): string {
  const twin = (name: string): readonly string[] => (hasTwins ? [code(environmentName(name))] : []);
  const rows = Object.entries(flags).map(([name, spec]) => [
    code(spec.kind === "boolean" ? `--${name}` : `--${name} ${placeholder(spec)}`),
    ...twin(name),
    defaultCell(spec),
    escapeHtml([spec.help, ...flagLimits(spec)].join("; ")),
  ]);
  return table(["flag", ...(hasTwins ? ["variable"] : []), "default", "what it is"], rows);
}

function defaultCell(spec: FlagSpec): string {
  if (spec.required === true) return "required";
  const text = flagDefault(spec);
  return text === undefined ? "" : code(text);
}

/** Usage and description of a `--help` text. */
function readHelp(text: string): { readonly usage: string; readonly about: string } {
  const [head = ""] = text.split("\nflags:\n");
  const [first = "", ...rest] = head.split("\n");
  return { usage: first.replace(/^usage: /, ""), about: escapeText(rest.join("\n").trim()) };
}

/** JSON in a description is code. */
function escapeText(text: string): string {
  return escapeHtml(text).replace(/\{".*?\}(?=[;.]|$)/s, (json) => code(json));
}

function escapeHtml(text: string): string {
  return text.replaceAll("<", "\\<");
}

function code(text: string): string {
  return `\`${text}\``;
}
