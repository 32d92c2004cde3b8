import assert from "node:assert/strict";
import { test } from "node:test";

import { code, cut, plain } from "./text.ts";

const NOTHING = "\u200b";

test("nothing in a text formats, links or calls", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["a & b < c > d", "a &amp; b &lt; c &gt; d"],
    ["<!channel> <@U123> <#C1>", "&lt;!channel&gt; &lt;@U123&gt; &lt;#C1&gt;"],
    ["<https://evil.example|click>", `&lt;https:${NOTHING}//evil.example|click&gt;`],
    ["@channel @Here @everyone", `@${NOTHING}channel @${NOTHING}Here @${NOTHING}everyone`],
    // who parts the word himself gains nothing
    ["@\u200bchannel", "@ channel"],
    ["web@sha256:ab", "web@sha256:ab"],
    ["two\nlines\r\n\tand\u0000more", "two lines and more"],
    ["\u202egnp.exe\u2066", "gnp.exe"],
    ["half \ud83d of a pair", "half \ufffd of a pair"],
    ["  ", ""],
    ["", ""],
  ];
  for (const [given, expected] of cases) assert.equal(plain(given, 200), expected, JSON.stringify(given));
});

test("a code span cannot be left", () => {
  assert.equal(code("a`b` *c*", 100), "`a'b' *c*`");
  assert.equal(code("", 100), "");
  assert.equal(code("\u0000", 100), "");
  assert.equal(code("x".repeat(50), 10), "`xxxxxxx…`");
});

test("a cut parts neither characters nor escapes, wherever it falls", () => {
  const text = "🚀&<ü>".repeat(20);
  for (let max = 1; max < 130; max += 1) {
    for (const result of [plain(text, max), cut(text, max)]) {
      assert.ok(result.length <= max, `${result.length} of ${max}`);
      assert.ok(result.isWellFormed());
    }
    const escaped = plain(text, max).replaceAll(/&(?:amp|lt|gt);/g, "");
    assert.ok(!/[&<>]/.test(escaped), escaped);
  }
  assert.equal(cut("abc", 3), "abc");
  assert.equal(cut("abcd", 3), "ab…");
});
