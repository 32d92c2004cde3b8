import { readFile } from "node:fs/promises";

import { format, resolveConfig } from "prettier";

import { cliReference } from "./cli-reference.ts";
import { withSection } from "./markdown.ts";
import { metricsTable, SERVICES } from "./metrics-table.ts";

/** Documents with generated parts, from the root of the project. */
export const GENERATED = ["docs/cli-reference.md", "docs/operations.md"] as const;

const ROOT = new URL("../../", import.meta.url);

/** Where a document is. */
export function documentUrl(path: string): URL {
  return new URL(path, ROOT);
}

/** What a document should be: as it is, with its generated parts made anew. */
export async function generate(path: (typeof GENERATED)[number]): Promise<string> {
  const url = documentUrl(path);
  let text = await readFile(url, "utf8");
  if (path === "docs/cli-reference.md") text = withSection(text, "flags", await cliReference());
  else
    for (const service of SERVICES) text = withSection(text, `metrics of ${service}`, metricsTable(service));
  const options = await resolveConfig(url);
  return await format(text, { ...options, parser: "markdown" });
}
