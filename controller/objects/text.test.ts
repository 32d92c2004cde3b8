import assert from "node:assert/strict";
import { test } from "node:test";

import { cutMiddle, cutText, cutUtf8 } from "./text.ts";

const bytesOf = (text: string): number => Buffer.byteLength(text);

test("a short text comes back as it is", () => {
  assert.equal(cutText("abc", 3), "abc");
  assert.equal(cutMiddle("abcdef", 3, 3), "abcdef");
  assert.equal(cutUtf8("grün", 5), "grün");
});

test("a long text ends in an ellipsis within its limit", () => {
  assert.equal(cutText("abcdef", 4), "abc…");
  assert.equal(cutMiddle("abcdefgh", 2, 3), "ab … fgh");
  assert.equal(cutUtf8("abcdefgh", 6), "abc…");
});

test("no character is broken wherever the cut falls", () => {
  const text = "aé€🐳".repeat(20);
  for (let max = 3; max <= bytesOf(text); max += 1) {
    const cut = cutUtf8(text, max);
    assert.ok(bytesOf(cut) <= max, `${max}: ${bytesOf(cut)} bytes`);
    assert.ok(cut.isWellFormed() && !cut.includes("�"), `${max}: ${cut}`);
    assert.ok(cut === text || text.startsWith(cut.slice(0, -1)), `${max}: ${cut}`);
  }
  for (let max = 2; max < text.length; max += 1) {
    assert.ok(!cutText(text, max).includes("�"), `${max}`);
    assert.ok(!cutMiddle(text, max, 1).includes("�"), `${max}`);
    assert.ok(!cutMiddle(text, 1, max).includes("�"), `${max}`);
  }
});

test("a note of exactly the limit is not cut, one byte more is", () => {
  assert.equal(bytesOf(cutUtf8("€".repeat(341) + "a", 1024)), 1024);
  assert.equal(cutUtf8("€".repeat(341) + "a", 1024).endsWith("a"), true);
  assert.equal(cutUtf8("€".repeat(341) + "ab", 1024).endsWith("…"), true);
});

test("lone surrogates become legal text", () => {
  assert.ok(cutUtf8("a\ud83d", 10).isWellFormed());
  assert.ok(cutUtf8("\ud83d".repeat(100), 10).isWellFormed());
});
