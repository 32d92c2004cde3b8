import process from "node:process";

/** Prints a line. */
export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Prints what comes next. */
export function step(title: string): void {
  say(`\n== ${title}`);
}

/** Each line a little to the right. */
export function indent(text: string): string {
  return text.replaceAll(/^/gm, "   ");
}
