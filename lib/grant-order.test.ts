import assert from "node:assert/strict";
import { before, describe, it } from "node:test";

import { signImportGrants } from "./grant-order.ts";
import { CLAIMS, DIGEST, GrantWorld, NOW, SECOND } from "./testing/forged-grants.ts";

let world: GrantWorld;

before(async () => {
  world = await GrantWorld.create();
});

describe("signImportGrants", () => {
  it("signs an import grant that carries the export grant, which alone lists the blobs", async () => {
    const blobs = Array.from({ length: 150 }, (_, index) => `sha256:${index.toString(16).padStart(64, "0")}`);
    const { importGrant, exportGrant } = await signImportGrants(
      {
        id: "g-7",
        digest: DIGEST,
        blobs,
        names: ["nginx:1.25"],
        targetNode: "node-b",
        sources: CLAIMS.sources,
        maxBytes: 2 ** 31,
        record: "shop/salvage-1",
        epoch: 4,
        now: NOW + 500,
        lifetimeMs: 300 * SECOND,
      },
      world.controller,
    );
    const imported = await world.verify(importGrant);
    const exported = await world.verify(exportGrant);
    assert.ok(imported.op === "import" && exported.op === "export");
    assert.equal(imported.export_grant, exportGrant);
    assert.deepEqual(imported.blobs, []);
    assert.deepEqual(exported.blobs, blobs);
    assert.equal(imported.max_bytes, 2 ** 31);
    for (const claims of [imported, exported]) {
      assert.equal(claims.jti, "g-7");
      assert.equal(claims.digest, DIGEST);
      assert.equal(claims.epoch, 4);
      assert.deepEqual(claims.sources, CLAIMS.sources);
      assert.ok(claims.nbf * SECOND <= NOW + 500 && claims.exp * SECOND >= NOW + 500 + 300 * SECOND);
    }
    assert.ok(importGrant.length < 32_768, `${importGrant.length} characters for 150 blobs`);
  });
});
