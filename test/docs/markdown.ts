/** A table in Markdown; `|` in cells is escaped. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** A text with what stands between the markers of a name replaced. Throws an Error when it lacks them. */
export function withSection(text: string, name: string, content: string): string {
  const [start, end] = [`<!-- generated: ${name} -->`, `<!-- end: ${name} -->`];
  const [from, to] = [text.indexOf(start), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`there is no place for ${name}: ${start} ... ${end}`);
  return `${text.slice(0, from + start.length)}\n\n${content}\n\n${text.slice(to)}`;
}

/** One code block. */
export interface CodeBlock {
  /** e.g. "sh"; "" without */
  readonly language: string;
  readonly code: string;
  /** line of its first line of code, counted from 1 */
  readonly line: number;
}

/** The fenced code blocks of a document, also those within lists. */
export function codeBlocks(document: string): readonly CodeBlock[] {
  const fences = document.matchAll(/^( *)```(\w*)[^\n]*\n([^]*?)^\1```$/gm);
  return [...fences].map(({ 2: language = "", 3: code = "", index }) => ({
    language,
    code,
    line: document.slice(0, index).split("\n").length + 1,
  }));
}

/** A document without its code blocks and comments. */
export function prose(document: string): string {
  return document.replaceAll(/^( *)```[^]*?^\1```$/gm, "").replaceAll(/<!--[^]*?-->/g, "");
}

/** The anchors of a document, as GitHub makes them of headings. */
export function anchors(document: string): ReadonlySet<string> {
  const found = new Set<string>();
  for (const [, title = ""] of prose(document).matchAll(/^#{1,6} +(.+)$/gm)) {
    const slug = title
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, "")
      .trim()
      .replaceAll(" ", "-");
    let unique = slug;
    for (let count = 1; found.has(unique); count += 1) unique = `${slug}-${count}`;
    found.add(unique);
  }
  return found;
}
