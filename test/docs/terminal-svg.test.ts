import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { STEPS } from "../demo/timeline.ts";
import { ROOT } from "./documents.ts";
import { excerpt, terminalSvg } from "./terminal-svg.ts";

const DIGEST = `sha256:${"0123456789abcdef".repeat(4)}`;

test("the picture of the demo shows every step of a salvage", () => {
  const picture = readFileSync(`${ROOT}docs/images/demo.svg`, "utf8");
  for (const step of STEPS) assert.match(picture, new RegExp(`\\d s +${step} `), step);
});

test("a picture has the part of the output that matters, with digests and long lines cut, as legal XML", () => {
  const output = [
    "noise",
    "== A Deployment <a> & b",
    `  ${DIGEST}`,
    "x".repeat(500),
    "",
    "== An order by hand",
    "noise",
  ];
  const lines = excerpt(output.join("\n"));
  assert.deepEqual(lines.slice(0, 2), ["== A Deployment <a> & b", "  sha256:0123456789ab…"]);
  assert.equal(lines.length, 3);
  const picture = terminalSvg('a "title"', lines);
  assert.match(picture, /aria-label="a &quot;title&quot;"/);
  assert.match(picture, />== A Deployment &lt;a> &amp; b</);
  assert.match(picture, />x{115}…</);
  assert.doesNotMatch(picture, /noise/);
});

test("what is not the output of the demo is refused", () => {
  assert.throws(() => excerpt("hello"), /not what the demo prints/);
});
