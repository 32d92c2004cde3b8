/** `node test/chart/update-golden.ts`: writes the golden files and the chart's README anew, to be looked at in the diff. */

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { run } from "../harness/run.ts";
import { CHART, renderText } from "./helm.ts";
import { valuesTable, withTable } from "./values-table.ts";
import { VALUE_SETS } from "./value-sets.ts";

for (const name of ["default", "full"]) {
  const path = new URL(`golden/${name}.yaml`, import.meta.url);
  await writeFile(path, await renderText(VALUE_SETS[name]));
}
const readme = join(CHART, "README.md");
const table = valuesTable(await readFile(join(CHART, "values.yaml"), "utf8"));
await writeFile(readme, withTable(await readFile(readme, "utf8"), table));
await run("prettier", ["--write", readme]);
