import assert from "node:assert/strict";
import { test } from "node:test";

import { loadTokens, type TokenFiles } from "./tokens.ts";

const signal = AbortSignal.timeout(5000);
const files: TokenFiles = { ingest: "i", read: "r", admin: undefined };

const loadFrom = (contents: Readonly<Record<string, string>>) =>
  loadTokens(files, (path) => Promise.resolve(contents[path] ?? ""), signal);

test("each of the two values of a file is valid, for its role alone", async () => {
  const [old, fresh, reader] = ["old-ingest-token", "new-ingest-token", "some-reader-token"] as const;
  const { value } = await loadFrom({ i: `${old}\n${fresh}\n`, r: reader });
  assert.deepEqual([...value.rolesOf(old)], ["ingest"]);
  assert.deepEqual([...value.rolesOf(fresh)], ["ingest"]);
  assert.deepEqual([...value.rolesOf(reader)], ["read"]);
  for (const wrong of ["", old.slice(0, -1), `${old} `, `${old}\n${fresh}`])
    assert.equal(value.rolesOf(wrong).size, 0);
});

test("a value in two files has both roles", async () => {
  const both = "one-token-for-all";
  const { value } = await loadFrom({ i: both, r: both });
  assert.deepEqual([...value.rolesOf(both)], ["ingest", "read"]);
});

test("a file without a token, with three, with a space in one or with a short one is refused and not shown", async () => {
  await assert.rejects(loadFrom({ i: "\n", r: "x" }), /^FileError: i holds no token/);
  await assert.rejects(loadFrom({ i: "a\nb\nc", r: "x" }), /i holds 3 tokens, at most 2/);
  const long = "x".repeat(16);
  await assert.rejects(loadFrom({ i: long, r: "CANARY two" }), (error: Error) => {
    assert.match(error.message, /r holds a token with spaces/);
    return !error.message.includes("CANARY");
  });
  await assert.rejects(loadFrom({ i: `${long}\nCANARY-15-chars`, r: long }), (error: Error) => {
    assert.match(error.message, /i holds a token of 15 characters, at least 16 are needed/);
    return !error.message.includes("CANARY");
  });
});
