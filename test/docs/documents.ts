import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Folder of the project. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** One document for users. */
export interface Document {
  /** from the root, e.g. "docs/rpc.md" */
  readonly path: string;
  readonly text: string;
}

/** Every document for users and contributors. */
export function readDocuments(): readonly Document[] {
  const inDocs = readdirSync(`${ROOT}docs`).filter((name) => name.endsWith(".md"));
  const paths = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "charts/tote/README.md",
    ...inDocs.map((name) => `docs/${name}`),
  ];
  return paths.map((path) => ({ path, text: readFileSync(`${ROOT}${path}`, "utf8") }));
}

/** Spans of code within the text of a document. */
export function inlineCode(text: string): readonly string[] {
  // a pipe within a table is written with a backslash
  return [...text.matchAll(/(?<!`)`([^`\n]+)`(?!`)/g)].map(([, code = ""]) => code.replaceAll("\\|", "|"));
}
