import assert from "node:assert/strict";
import { test } from "node:test";

import { Registry } from "prom-client";

import { registerDurability } from "./durability.ts";

for (const [isEphemeral, value] of [
  [true, 1],
  [false, 0],
] as const) {
  test(`the gauge is ${value} when the store is ${isEphemeral ? "lost with the pod" : "on a volume"}`, async () => {
    const registry = new Registry();
    registerDurability(registry, isEphemeral);
    assert.match(await registry.metrics(), new RegExp(`^tote_relay_store_ephemeral ${value}$`, "m"));
  });
}
