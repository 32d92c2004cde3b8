import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { IDLE_TIMEOUT_MS } from "../../agent/limits.ts";
import type { ImportResult } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { loadImage } from "../harness/load-image.ts";
import { startSharedRig, type Rig, type RigNode } from "../harness/rig.ts";
import { startImport } from "../harness/running-import.ts";
import { uniqueImage, type UniqueImage } from "../harness/unique-image.ts";
import { assertSalvaged } from "./salvaged.ts";

describe("a source falls silent in the middle of a blob", () => {
  let rig: Rig;
  before(async () => {
    const slow = { agent: { args: ["--max-bandwidth", "2Mi"] } };
    rig = await startSharedRig({ a: slow, c: slow, d: slow, b: {} });
  });
  after(() => rig.cleanup.run());

  /** Imports from `first` and c, makes `first` fall silent, asserts that c goes on, and how long that took. */
  async function fallSilent(
    first: RigNode,
    how: () => Promise<void>,
    within: { readonly min: number; readonly max: number },
  ): Promise<{ readonly wanted: UniqueImage; readonly result: ImportResult }> {
    const wanted = await uniqueImage(`silent-${first.name}`, { layers: [4_000_000, 4_000_000] });
    for (const node of [first, rig.node("c")]) {
      await loadImage(node.containerd, wanted.image, { names: [wanted.name] });
    }
    const order = { image: wanted.image, names: [wanted.name], target: "b", sources: [first.name, "c"] };
    const running = await startImport(rig, order);
    await running.until(`a layer to come from ${first.name}`, ({ layers }) =>
      layers.some(({ source, offset, size }) => source === first.name && offset > 0n && offset < size / 2n),
    );
    const since = performance.now();
    await how();
    const result = await running.result;
    const tookMs = performance.now() - since;
    assert.equal(Number(result.bytesTransferred), wanted.bytes, "what had come was thrown away");
    assert.deepEqual(result.sources.map(({ node }) => node).sort(), [first.name, "c"].sort());
    assert.ok(tookMs > within.min && tookMs < within.max, `${first.name}: it took ${tookMs} ms`);
    return { wanted, result };
  }

  // in one test, because no flag changes the timeouts: what takes its time takes it together
  test(
    "by a cable that comes out, or as a process that hangs: the next one goes on",
    { timeout: 120_000 },
    async (t) => {
      const [cut, hung, b] = [rig.node("a"), rig.node("d"), rig.node("b")];
      // they would wait for their half-open streams
      t.after(() => Promise.all([cut.agent.kill(), hung.agent.kill()]));
      const imports = await Promise.all([
        // the kernel gives up a connection that nobody answers on
        fallSilent(cut, () => cut.network.disconnect(), { min: 5000, max: IDLE_TIMEOUT_MS + 15_000 }),
        fallSilent(hung, () => hung.agent.kill("SIGSTOP"), {
          min: IDLE_TIMEOUT_MS - 2000,
          max: IDLE_TIMEOUT_MS + 15_000,
        }),
      ]);
      for (const { wanted, result } of imports) await assertSalvaged(b, wanted, result);
    },
  );
});
