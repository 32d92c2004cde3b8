import assert from "node:assert/strict";
import { test } from "node:test";

import { Registry } from "prom-client";

import { registerInsecurity } from "./insecurity.ts";

test("the gauge says whether the controller runs without TLS", async () => {
  for (const isInsecure of [false, true]) {
    const registry = new Registry();
    registerInsecurity(registry, isInsecure);
    assert.match(
      await registry.metrics(),
      new RegExp(`^tote_controller_insecure ${isInsecure ? 1 : 0}$`, "m"),
    );
  }
});
