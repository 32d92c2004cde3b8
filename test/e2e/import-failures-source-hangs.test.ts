import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { loadImage } from "../harness/load-image.ts";
import { startSharedRig, type Rig } from "../harness/rig.ts";
import { startImport } from "../harness/running-import.ts";
import { uniqueImage } from "../harness/unique-image.ts";
import { assertSalvaged } from "./salvaged.ts";

/** IDLE_TIMEOUT_MS of agent/limits.ts, which no flag changes: the one wait of these tests that takes its time */
const IDLE_MS = 30_000;

describe("the cable of a source comes out in the middle of a blob", () => {
  let rig: Rig;
  before(async () => {
    const slow = { agent: { args: ["--max-bandwidth", "2Mi"] } };
    rig = await startSharedRig({ a: slow, c: slow, b: {} });
  });
  after(() => rig.cleanup.run());

  test("nobody is told: after the idle timeout the next source goes on", { timeout: 90_000 }, async (t) => {
    const wanted = await uniqueImage("cable");
    const [a, b] = [rig.node("a"), rig.node("b")];
    for (const node of ["a", "c"]) {
      await loadImage(rig.node(node).containerd, wanted.image, { names: [wanted.name] });
    }
    const order = { image: wanted.image, names: [wanted.name], target: "b", sources: ["a", "c"] };
    const running = await startImport(rig, order);
    await running.until("a layer to come from a", ({ layers }) =>
      layers.some(({ source, offset, size }) => source === "a" && offset > 0n && offset < size),
    );
    // it would wait for its half-open streams
    t.after(() => a.agent.kill());
    const since = performance.now();
    await a.network.disconnect();
    const result = await running.result;
    const tookMs = performance.now() - since;
    assert.ok(tookMs > IDLE_MS - 2000 && tookMs < IDLE_MS + 15_000, `it took ${tookMs} ms`);
    assert.equal(Number(result.bytesTransferred), wanted.bytes, "what a had sent was thrown away");
    assert.deepEqual(result.sources.map(({ node }) => node).sort(), ["a", "c"]);
    await assertSalvaged(b, wanted, result);
  });
});
