import assert from "node:assert/strict";
import { test } from "node:test";

import { loadTokens, type TokenFiles } from "./tokens.ts";

const signal = AbortSignal.timeout(5000);
const files: TokenFiles = { ingest: "i", read: "r", admin: undefined };

const loadFrom = (contents: Readonly<Record<string, string>>) =>
  loadTokens(files, (path) => Promise.resolve(contents[path] ?? ""), signal);

test("each of the two values of a file is valid, for its role alone", async () => {
  const { value } = await loadFrom({ i: "old-one\nnew-one\n", r: "reader" });
  assert.deepEqual([...value.rolesOf("old-one")], ["ingest"]);
  assert.deepEqual([...value.rolesOf("new-one")], ["ingest"]);
  assert.deepEqual([...value.rolesOf("reader")], ["read"]);
  for (const wrong of ["", "old-on", "old-one ", "old-one\nnew-one"])
    assert.equal(value.rolesOf(wrong).size, 0);
});

test("a value in two files has both roles", async () => {
  const { value } = await loadFrom({ i: "same", r: "same" });
  assert.deepEqual([...value.rolesOf("same")], ["ingest", "read"]);
});

test("a file without a token, with three, or with a space in one is refused and not shown", async () => {
  await assert.rejects(loadFrom({ i: "\n", r: "x" }), /^FileError: i holds no token/);
  await assert.rejects(loadFrom({ i: "a\nb\nc", r: "x" }), /i holds 3 tokens, at most 2/);
  await assert.rejects(loadFrom({ i: "x", r: "CANARY two" }), (error: Error) => {
    assert.match(error.message, /r holds a token with spaces/);
    return !error.message.includes("CANARY");
  });
});
