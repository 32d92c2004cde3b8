import assert from "node:assert/strict";
import { test } from "node:test";

import { PLAN_SOURCES_MAX } from "../limits.ts";
import { chooseSources, type SourceCandidate, type SourceChoice } from "./sources.ts";

const TARGET = {
  name: "target",
  isReady: true,
  hasReadyAgent: true,
  zone: "z1",
  os: "linux",
  architecture: "amd64",
};

function candidate(name: string, options: Partial<SourceCandidate> = {}): SourceCandidate {
  return { ...TARGET, name, load: 0, ...options };
}

function choose(candidates: readonly SourceCandidate[], excluded: readonly string[] = []): SourceChoice {
  const reasons = new Map(excluded.map((node) => [node, "it has failed"]));
  return chooseSources({ target: TARGET, candidates, excluded: reasons, perSource: 2 });
}

function names(choice: SourceChoice): readonly string[] {
  return choice.kind === "sources" ? choice.sources : [choice.kind];
}

test("the same zone goes first, then the least loaded, then the name", () => {
  const choice = choose([
    candidate("far-idle", { zone: "z2" }),
    candidate("near-busy", { load: 1 }),
    candidate("near-b"),
    candidate("near-a"),
  ]);
  assert.deepEqual(names(choice), ["near-a", "near-b", "near-busy"]);
});

test("without zones the load decides", () => {
  const target = { ...TARGET, zone: "" };
  const candidates = [candidate("a", { zone: "", load: 1 }), candidate("b", { zone: "" })];
  const choice = chooseSources({ target, candidates, excluded: new Map(), perSource: 2 });
  assert.deepEqual(names(choice), ["b", "a"]);
});

const UNFIT: readonly (readonly [string, Partial<SourceCandidate>, RegExp])[] = [
  ["is not Ready", { isReady: false }, /not Ready/],
  ["has no ready agent", { hasReadyAgent: false }, /no ready agent/],
  ["has another architecture", { architecture: "arm64" }, /linux\/arm64, not linux\/amd64/],
  ["has another system", { os: "windows" }, /windows/],
  ["has discarded its layers", { incomplete: "LAYERS_DISCARDED: 3 layers" }, /LAYERS_DISCARDED/],
];

for (const [what, options, reason] of UNFIT) {
  test(`a node that ${what} is no source, and the refusal says so`, () => {
    const choice = choose([candidate("unfit", options)]);
    assert.equal(choice.kind, "none");
    assert.match(choice.kind === "none" ? choice.message : "", reason);
    assert.deepEqual(names(choose([candidate("unfit", options), candidate("fit")])), ["fit"]);
  });
}

test("a node whose platform is not known may be asked", () => {
  assert.deepEqual(names(choose([candidate("a", { os: "", architecture: "" })])), ["a"]);
});

test("the target is no source of its own", () => {
  const choice = choose([candidate("target")]);
  assert.deepEqual(choice, { kind: "none", message: "no other node holds the image" });
});

test("nodes at their limit are waited for when there is no other", () => {
  assert.equal(choose([candidate("a", { load: 2 })]).kind, "busy");
  assert.deepEqual(names(choose([candidate("a", { load: 2 }), candidate("b", { load: 1 })])), ["b"]);
});

test("a source that has failed is left out", () => {
  assert.deepEqual(names(choose([candidate("a"), candidate("b")], ["a"])), ["b"]);
  const none = choose([candidate("a")], ["a"]);
  assert.match(none.kind === "none" ? none.message : "", /a: it has failed/);
});

test("of many sources a few are taken, and of many refusals a few are told", () => {
  const many = Array.from({ length: 500 }, (_, index) => candidate(`n${index}`));
  assert.equal(names(choose(many)).length, PLAN_SOURCES_MAX);
  const none = choose(many.map((one) => ({ ...one, isReady: false })));
  assert.match(none.kind === "none" ? none.message : "", /and 495 more nodes$/);
});
