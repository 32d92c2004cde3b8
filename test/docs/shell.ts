/** One command in a code block. */
export interface ShellCommand {
  readonly words: readonly string[];
}

/**
 * The commands of a script, by line: continued lines are one, comments and what follows a pipe or `&&` are commands of
 * their own. Quotes hold words together; nothing is expanded.
 */
export function shellCommands(script: string): readonly ShellCommand[] {
  const lines = script.replaceAll(/\\\n\s*/g, " ").split("\n");
  return lines.flatMap((line) => split(words(line.replace(/^\$ /, ""))));
}

function split(line: readonly string[]): readonly ShellCommand[] {
  const commands: string[][] = [[]];
  for (const word of line) {
    if (word === "|" || word === "&&" || word === "||" || word === ";") commands.push([]);
    else commands.at(-1)?.push(word);
  }
  return commands.filter((one) => one.length > 0).map((one) => ({ words: one }));
}

function words(line: string): readonly string[] {
  const found: string[] = [];
  for (const [word] of line.matchAll(/(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^\s"'])+/g)) {
    if (word.startsWith("#")) break;
    found.push(word.replaceAll(/^(["'])([^]*)\1$/g, "$2"));
  }
  return found;
}
