import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { documentUrl, generate, GENERATED } from "./generated.ts";

for (const path of GENERATED) {
  test(`the tables of ${path} are those of the code`, async () => {
    const now = await readFile(documentUrl(path), "utf8");
    assert.equal(now, await generate(path), "run: npm run generate:docs");
  });
}
