import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";

import { readDocuments, ROOT } from "./documents.ts";
import { anchors, prose } from "./markdown.ts";

const DOCUMENTS = readDocuments();
const ANCHORS = new Map(DOCUMENTS.map(({ path, text }) => [path, anchors(text)]));

for (const { path, text } of DOCUMENTS) {
  test(`links of ${path} lead somewhere`, () => {
    const targets = [...prose(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target);
    for (const target of targets.filter((one) => !/^(?:https?|mailto):/.test(one))) {
      const [file = "", anchor] = target.split("#");
      const found = file === "" ? path : normalize(join(dirname(path), decodeURI(file)));
      assert.ok(existsSync(join(ROOT, found)), `${target}: there is no ${found}`);
      if (anchor === undefined) continue;
      assert.ok(
        ANCHORS.get(found)?.has(anchor) === true,
        `${target}: ${found} has no heading for #${anchor}`,
      );
    }
  });
}

test("every document can be reached from the README", () => {
  const links = new Map(
    DOCUMENTS.map(({ path, text }) => [
      path,
      [...prose(text).matchAll(/\]\(([^)#\s]+)/g)].map(([, to = ""]) => normalize(join(dirname(path), to))),
    ]),
  );
  const reached = new Set(["README.md"]);
  for (const path of reached) for (const to of links.get(path) ?? []) if (links.has(to)) reached.add(to);
  const lost = DOCUMENTS.map(({ path }) => path).filter(
    (path) => !reached.has(path) && path !== "CHANGELOG.md",
  );
  assert.deepEqual(lost, []);
});
