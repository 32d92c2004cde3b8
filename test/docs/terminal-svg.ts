/**
 * `npm run --silent demo | node test/docs/terminal-svg.ts > docs/images/demo.svg`: a picture of a terminal with what the
 * demo has printed, from the pod that fails to the Events about it.
 */

import process from "node:process";
import { text as readAll } from "node:stream/consumers";

/** Characters of a line; longer ones end in an ellipsis. */
const COLUMNS = 116;
const LINE_HEIGHT = 18;
const CHARACTER_WIDTH = 7.83;
const MARGIN = 20;
const BAR_HEIGHT = 34;

/** Characters of a digest that are left out. */
const LEFT_OUT = 51;

/** The part of the demo's output that is shown, digests cut. Throws an Error when it is not there. */
export function excerpt(output: string): readonly string[] {
  const lines = output.split("\n").map((line) => line.trimEnd());
  const start = lines.findIndex((line) => line.startsWith("== A Deployment"));
  const end = lines.findIndex((line) => line.startsWith("== An order by hand"));
  if (start < 0 || end < start) throw new Error("this is not what the demo prints");
  const shown = lines.slice(start, end).join("\n").trimEnd();
  return shown
    .replaceAll(/(sha256:[0-9a-f]{12})[0-9a-f]{52}/g, "$1…")
    .replace(`DIGEST${" ".repeat(LEFT_OUT)}`, "DIGEST")
    .split("\n");
}

/** A picture of a terminal with lines of text. */
export function terminalSvg(title: string, lines: readonly string[]): string {
  const width = Math.ceil(COLUMNS * CHARACTER_WIDTH) + 2 * MARGIN;
  const height = BAR_HEIGHT + lines.length * LINE_HEIGHT + MARGIN;
  const rows = lines.map((line, at) => {
    const y = BAR_HEIGHT + (at + 1) * LINE_HEIGHT;
    return `<text x="${MARGIN}" y="${y}" class="${kindOf(line)}">${escape(cut(line))}</text>`;
  });
  const lights = ["#ff5f56", "#ffbd2e", "#27c93f"].map(
    (colour, at) => `<circle cx="${MARGIN + at * 20}" cy="17" r="6" fill="${colour}"/>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" xml:space="preserve" role="img" aria-label="${escape(title)}">`,
    "<style>text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#d8dee9;white-space:pre}" +
      ".head{fill:#88c0d0;font-weight:bold}.bad{fill:#ebcb8b}.good{fill:#a3be8c}.title{fill:#8a93a5}</style>",
    `<rect width="${width}" height="${height}" rx="8" fill="#242933"/>`,
    ...lights,
    `<text x="${width / 2}" y="21" text-anchor="middle" class="title">${escape(title)}</text>`,
    ...rows,
    "</svg>",
    "",
  ].join("\n");
}

function kindOf(line: string): string {
  if (line.startsWith("== ")) return "head";
  if (/^ +[\d.]+ s +failing/.test(line) || / Warning /.test(line)) return "bad";
  return /^ +[\d.]+ s +(?:visible|nudged|running)/.test(line) ? "good" : "plain";
}

function cut(line: string): string {
  return line.length <= COLUMNS ? line : `${line.slice(0, COLUMNS - 1)}…`;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

if (import.meta.main) {
  process.stdout.write(terminalSvg("npm run demo", excerpt(await readAll(process.stdin))));
}
