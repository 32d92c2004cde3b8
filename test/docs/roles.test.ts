import assert from "node:assert/strict";
import { test } from "node:test";

import { CALLERS } from "../../agent/rpc/auth.ts";
import { ALL_ROLES } from "../../lib/roles.ts";
import { inlineCode, readDocuments } from "./documents.ts";

/** Cells of a line of a table. */
function cells(line: string): readonly string[] {
  return line
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim());
}

test("the table of roles says who may call what", () => {
  const security = readDocuments().find(({ path }) => path === "docs/security.md")?.text ?? "";
  const [, section = ""] = security.split("\n## Roles\n");
  const [head = "", , ...lines] = (section.split("\n## ")[0] ?? "")
    .split("\n")
    .filter((line) => line.startsWith("|"));
  const roles = cells(head).slice(1);
  assert.deepEqual(roles.toSorted(), [...ALL_ROLES].toSorted());
  const documented = lines.map(cells).flatMap(([calls = "", ...allowed]) => {
    const may = roles.filter((_, at) => allowed[at] !== "");
    return inlineCode(calls).map((call) => [nameOf(call), may.toSorted()] as const);
  });
  const expected = Object.entries(CALLERS).map(([call, callers]) => [call, callers.toSorted()] as const);
  assert.deepEqual(Object.fromEntries(documented), Object.fromEntries(expected));
});

function nameOf(call: string): string {
  if (call === "GET /v1/archive") return "archive";
  return `${call.slice(0, 1).toLowerCase()}${call.slice(1)}`;
}
