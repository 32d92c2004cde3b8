import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Code } from "@connectrpc/connect";

import type { ImportProgress, LayerProgress } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { bytesReceived, bytesSent } from "../harness/agent-metrics.ts";
import { imageStatus } from "../harness/cri.ts";
import { loadImage } from "../harness/load-image.ts";
import { keptLease } from "../harness/node-state.ts";
import { startSharedRig, type Rig, type RigImport } from "../harness/rig.ts";
import { failureOf, startImport } from "../harness/running-import.ts";
import { uniqueImage, type UniqueImage } from "../harness/unique-image.ts";
import { assertSalvaged } from "./salvaged.ts";

const SLOW = { args: ["--max-bandwidth", "2Mi"] };

const isHalfFromA = ({ source, offset, size }: LayerProgress): boolean =>
  source === "a" && offset > 0n && offset < size;
const ascending = (one: bigint, other: bigint): number => (one < other ? -1 : one > other ? 1 : 0);

describe("a source is lost during an import", () => {
  let rig: Rig;
  before(async () => {
    rig = await startSharedRig({ a: { agent: SLOW }, c: { agent: SLOW }, b: {} });
  });
  after(() => rig.cleanup.run());

  /** An image on the nodes given, by default with one large layer: a source is lost in the middle of a blob. */
  async function onSources(
    title: string,
    nodes: readonly string[],
    layers: readonly number[] = [3_000_000],
  ): Promise<UniqueImage & { readonly order: RigImport }> {
    const unique = await uniqueImage(title, { layers });
    for (const node of nodes)
      await loadImage(rig.node(node).containerd, unique.image, { names: [unique.name] });
    return { ...unique, order: { image: unique.image, names: [unique.name], target: "b", sources: nodes } };
  }

  test("its agent is killed mid-blob: the next source goes on where it ended, and bytes count once", async (t) => {
    const wanted = await onSources("killed", ["a", "c"], [3_000_000, 3_000_000]);
    const [a, b] = [rig.node("a"), rig.node("b")];
    const received = await bytesReceived(b.agent);
    const seen: ImportProgress[] = [];
    const running = await startImport(rig, {
      ...wanted.order,
      onProgress: (progress) => seen.push(progress),
    });
    const halfWay = await running.until("half a layer from a", ({ layers }) => layers.some(isHalfFromA));
    t.after(() => a.agent.restart());
    await a.agent.kill();
    const result = await running.result;
    const half = halfWay.layers.find(isHalfFromA);
    assert.ok(half);
    const later = seen.slice(seen.indexOf(halfWay)).flatMap(({ layers }) => layers);
    const offsets = later.filter(({ digest }) => digest === half.digest).map(({ offset }) => offset);
    assert.deepEqual(offsets, offsets.toSorted(ascending), "bytes of the layer were thrown away");
    assert.equal(Number(result.bytesTransferred), wanted.bytes);
    assert.equal((await bytesReceived(b.agent)) - received, wanted.bytes);
    assert.deepEqual(result.sources.map(({ node }) => node).sort(), ["a", "c"]);
    await assertSalvaged(b, wanted, result);
  });

  test("its agent is killed and there is no other: what came is kept, and a later call fetches the rest", async () => {
    const wanted = await onSources("killed-alone", ["a"]);
    const [a, b] = [rig.node("a"), rig.node("b")];
    const running = await startImport(rig, wanted.order);
    await running.untilInTheMiddle();
    await a.agent.kill();
    const failure = await failureOf(running.result);
    assert.equal(failure.code, Code.Unavailable);
    assert.equal(failure.retryable, true);
    assert.ok(failure.bytesResumable > 0, "nothing is resumable");
    assert.match(failure.sources.get("a") ?? "", /ECONNREFUSED/);
    assert.match(failure.message, /no source left for sha256:[0-9a-f]{64}: a: .*ECONNREFUSED/);
    const { digest } = wanted.image.descriptor;
    await keptLease(b, digest);
    assert.equal(await imageStatus(b.containerd, wanted.name), undefined);

    // a second try while the source is still gone loses nothing
    const again = await failureOf(rig.import(wanted.order));
    assert.equal(again.bytesResumable, failure.bytesResumable);
    await keptLease(b, digest);

    await a.agent.restart();
    const received = await bytesReceived(b.agent);
    const result = await rig.import(wanted.order);
    const moved = Number(result.bytesTransferred);
    assert.equal((await bytesReceived(b.agent)) - received, moved);
    assert.ok(moved <= wanted.bytes - failure.bytesResumable, `${moved} bytes were moved again`);
    assert.equal(Number(result.bytesReused), wanted.bytes - moved);
    await assertSalvaged(b, wanted, result);
  });

  test("the image is removed there: it completes from what the source keeps for it", async () => {
    // more layers than are read at a time: most are asked for when the image is gone
    const wanted = await onSources("removed", ["a"], Array<number>(8).fill(600_000));
    const [a, b] = [rig.node("a"), rig.node("b")];
    const running = await startImport(rig, wanted.order);
    await running.untilInTheMiddle();
    const records = (await a.ctr.images()).filter(({ digest }) => digest === wanted.image.descriptor.digest);
    await a.ctr.removeImages(...records.map(({ name }) => name));
    await a.ctr.forceGc();
    assert.equal(await imageStatus(a.containerd, wanted.name), undefined);
    const result = await running.result;
    assert.equal(Number(result.bytesTransferred), wanted.bytes);
    await assertSalvaged(b, wanted, result);
  });

  test("two sources that each hold part of it are enough", async () => {
    const wanted = await uniqueImage("halves");
    const [b, sent] = [rig.node("b"), await bytesSent(rig.node("c").agent)];
    const [base, one, two, three] = wanted.image.layers.map(({ digest }) => digest);
    assert.ok(base && one && two && three);
    await loadImage(rig.node("a").containerd, wanted.image, { names: [wanted.name], without: [one, three] });
    await loadImage(rig.node("c").containerd, wanted.image, { names: [wanted.name], without: [base, two] });
    const result = await rig.import({
      image: wanted.image,
      names: [wanted.name],
      target: "b",
      sources: ["a", "c"],
    });
    assert.equal(Number(result.bytesTransferred), wanted.bytes);
    assert.deepEqual(result.sources.map(({ node }) => node).sort(), ["a", "c"]);
    assert.ok((await bytesSent(rig.node("c").agent)) - sent > 2_900_000, "c sent less than its two layers");
    await assertSalvaged(b, wanted, result);
  });

  test("no source has one of the layers: the layer is named, and nothing is left", async () => {
    const wanted = await uniqueImage("gap");
    const b = rig.node("b");
    const gap = wanted.image.layers[2]?.digest ?? "";
    for (const node of ["a", "c"]) {
      await loadImage(rig.node(node).containerd, wanted.image, { names: [wanted.name], without: [gap] });
    }
    const order = { image: wanted.image, names: [wanted.name], target: "b", sources: ["a", "c"] };
    const failure = await failureOf(rig.import(order));
    assert.equal(failure.code, Code.FailedPrecondition);
    assert.ok(failure.message.includes(gap), `${failure.message} does not name ${gap}`);
    assert.equal(failure.retryable, false);
    assert.deepEqual(await b.ctr.leases(), []);
    assert.deepEqual(await b.ctr.ingests(), []);
  });
});
