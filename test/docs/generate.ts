/** `npm run generate:docs`: writes the tables of flags and metrics into the documentation, to be looked at in the diff. */

import { writeFile } from "node:fs/promises";

import { documentUrl, generate, GENERATED } from "./generated.ts";

for (const path of GENERATED) await writeFile(documentUrl(path), await generate(path));
