import assert from "node:assert/strict";
import { test } from "node:test";

import { parseFlags } from "../../lib/flags.ts";
import { COMMANDS } from "./commands.ts";
import { inlineCode, readDocuments } from "./documents.ts";
import { codeBlocks, prose } from "./markdown.ts";
import { shellCommands } from "./shell.ts";

/** Commands that take no flags. */
const BARE = new Set(["", "help", "--help", "-h"]);

/** What is wrong with the arguments of tote; undefined when they can be understood. */
function mistake(args: readonly string[]): string | undefined {
  if (BARE.has(args[0] ?? "")) return undefined;
  const line = args.join(" ");
  const command =
    COMMANDS.find(({ name }) => line === name || line.startsWith(`${name} `)) ??
    (line.startsWith("-") ? COMMANDS.find(({ name }) => name === "controller") : undefined);
  if (command === undefined) return `${args[0]} is not a command`;
  const flags = line.startsWith("-") ? args : args.slice(command.name.split(" ").length);
  const parsed = parseFlags(command.flags, flags, {});
  return parsed.kind === "error" ? parsed.message : undefined;
}

/** The arguments of tote, when a command is about it. */
function toteArguments(words: readonly string[]): readonly string[] | undefined {
  const at = words[0] === "tote" ? 0 : words.indexOf("tote.ts");
  return at < 0 ? undefined : words.slice(at + 1);
}

for (const { path, text } of readDocuments()) {
  test(`every command of tote in ${path} can be understood`, () => {
    for (const { language, code, line } of codeBlocks(text)) {
      if (language !== "sh") continue;
      for (const { words } of shellCommands(code)) {
        const args = toteArguments(words);
        if (args === undefined) continue;
        assert.equal(mistake(args), undefined, `line ${line}: ${words.join(" ")}`);
      }
    }
    for (const code of inlineCode(prose(text))) {
      const [command] = shellCommands(code);
      const args = toteArguments(command?.words ?? []);
      if (args === undefined || /[[<]/.test(code)) continue;
      const found = mistake(args);
      // a mention need not be complete
      assert.ok(found === undefined || / is required, /.test(found), `${code}: ${found ?? ""}`);
    }
  });
}
