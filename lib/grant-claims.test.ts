import assert from "node:assert/strict";
import { before, describe, it } from "node:test";

import { GrantError } from "./grant-error.ts";
import { signGrant } from "./grant.ts";
import { assertRefused, CLAIMS, der, forgeWithChain, GrantWorld } from "./testing/forged-grants.ts";

let world: GrantWorld;

before(async () => {
  world = await GrantWorld.create();
});

describe("verifyGrant and the form", () => {
  it("refuses what is no compact JWS", async () => {
    const token = await signGrant(CLAIMS, world.controller);
    const bad = [
      "",
      "x",
      "a.b",
      "a.b.c.d",
      `${token}.x`,
      ` ${token}`,
      `${token}\n`,
      "....",
      "e30.e30.",
      token.repeat(900),
    ];
    for (const value of bad) {
      await assert.rejects(
        world.verify(value),
        (error) => error instanceof GrantError,
        JSON.stringify(value.slice(0, 20)),
      );
    }
    await assertRefused("malformed", world.verify(""), /there is no grant/);
    await assertRefused("malformed", world.verify("x".repeat(1024 * 1024 + 1)), /at most 1048576/);
  });

  it("refuses a payload that is no JSON object", async () => {
    for (const payload of ["nonsense", "[]", "null", "7", '"x"', ""]) {
      await assertRefused(
        "malformed",
        world.verify(forgeWithChain([der(world.controller)], world.controller, payload)),
      );
    }
  });

  const broken: readonly (readonly [string, unknown])[] = [
    ["jti", ""],
    ["nbf", "soon"],
    ["nbf", 1.5],
    ["exp", -1],
    ["op", "remove"],
    ["op", undefined],
    ["digest", "latest"],
    ["target", "node-b"],
    ["target", { node: 7 }],
    ["sources", {}],
    ["sources", [{ node: "a" }]],
    ["sources", [null]],
    ["record", null],
    ["epoch", "3"],
    ["epoch", 2 ** 60],
    ["names", "nginx"],
    ["names", [""]],
    ["max_bytes", null],
    ["blobs", ["sha256:short"]],
    ["export_grant", 7],
  ];
  for (const [name, value] of broken) {
    it(`refuses claim ${name} = ${JSON.stringify(value)}, naming it`, async () => {
      const token = forgeWithChain([der(world.controller)], world.controller, { ...CLAIMS, [name]: value });
      await assertRefused("malformed", world.verify(token), new RegExp(`^grant claim ${name}`));
    });
  }
});
