import assert from "node:assert/strict";
import { test } from "node:test";

import { isReference, referenceProblem } from "./reference.ts";

test("names of images are told from what is none", () => {
  const digest = `sha256:${"a".repeat(64)}`;
  for (const name of [
    "nginx",
    "nginx:1.25",
    "a/b/c__d:V1.x-y",
    `r.test:5000/a@${digest}`,
    `a:b@${digest}`,
    "localhost/x",
    "[::1]:5000/x",
  ]) {
    assert.ok(isReference(name), name);
  }
  for (const name of ["", "Nginx", "a:b:c", "a@sha256:zz", "a//b", "-a", "a b", `a:${"x".repeat(129)}`]) {
    assert.ok(!isReference(name), name);
  }
  assert.match(referenceProblem("r.test/App:v1"), /repository name must be lowercase$/);
  assert.match(referenceProblem("a:b:c"), /invalid reference format$/);
});
