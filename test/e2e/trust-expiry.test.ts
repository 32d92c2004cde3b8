import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Code, ConnectError } from "@connectrpc/connect";

import { ROLES } from "../../lib/roles.ts";
import { bytesSent } from "../harness/agent-metrics.ts";
import { buildImage, busyboxLayer } from "../harness/image-builder.ts";
import { loadImage } from "../harness/load-image.ts";
import { startSharedRig, type Rig, type RigImport } from "../harness/rig.ts";
import { failureOf, startImport, type RunningImport } from "../harness/running-import.ts";
import { uniqueImage, type UniqueImage } from "../harness/unique-image.ts";
import { waitFor } from "../harness/wait.ts";
import { createGrantMaker, type GrantMaker } from "./grants.ts";
import { HOST } from "./moves.ts";
import { assertSalvaged } from "./salvaged.ts";

const SECOND = 1000;
/** of lib/grant.ts: how far clocks may differ */
const LEEWAY_MS = 60 * SECOND;
/** what is left of a grant's life, leeway included, when its import starts */
const LEFT_MS = 3 * SECOND;
/** of layers, above busybox */
const TRANSFER_BYTES = 1_600_000;
/** of node a: slow enough for transfers to outlive their grant */
const BYTES_PER_SECOND = 250_000;

/** An import whose grant expired long ago by its own words, and is taken for LEFT_MS more only. */
interface Prepared {
  readonly moved: UniqueImage;
  /** with a fresh grant */
  readonly order: RigImport;
  /** with one that is almost over */
  readonly terms: RigImport & { readonly grant: { readonly now: number; readonly lifetimeMs: number } };
  readonly grants: GrantMaker;
}

describe("a transfer that takes longer than its grant lives", () => {
  let rig: Rig;
  before(async () => {
    const slow = { agent: { args: ["--max-bandwidth", String(BYTES_PER_SECOND)] } };
    rig = await startSharedRig({ a: slow, c: {}, b: {} });
  });
  after(() => rig.cleanup.run());

  /** Puts an image on the sources whose transfer from node a takes about ten seconds. */
  async function prepare(title: string, layers: number, sources: readonly string[]): Promise<Prepared> {
    const moved = await slowImage(title, layers);
    for (const node of sources)
      await loadImage(rig.node(node).containerd, moved.image, { names: [moved.name] });
    const order = { image: moved.image, names: [moved.name], target: "b", sources };
    // the end is written in whole seconds
    const end = Math.ceil((Date.now() + LEFT_MS - LEEWAY_MS) / SECOND) * SECOND;
    const grant = { now: end - 30 * SECOND, lifetimeMs: 30 * SECOND };
    const grants = createGrantMaker(rig, { ...order, sources: [...sources] });
    return { moved, order, grants, terms: { ...order, grant } };
  }

  /** Waits until a source takes grants with these terms no more: by its own word, for one that it has not seen. */
  async function untilOver({ grants, moved, terms }: Prepared, node: string): Promise<void> {
    const client = await rig.client(node, ROLES.agent);
    const { now, lifetimeMs } = terms.grant;
    const times = { nbf: now / SECOND, exp: (now + lifetimeMs) / SECOND };
    const isOver = async (): Promise<boolean> => {
      const grant = await grants.sign(grants.exportClaims(times));
      return drain(client.exportBlob({ digest: moved.image.descriptor.digest, grant })).then(
        () => false,
        (error: unknown) => ConnectError.from(error).rawMessage.startsWith("grant expired at"),
      );
    };
    await waitFor("the grant to be over", isOver, { intervalMs: 250 });
  }

  test("finishes: streams that begin after the end are served, because the transfer goes on", async () => {
    const prepared = await prepare("longer", 6, ["a"]);
    const { moved, terms, grants } = prepared;
    const running = await startImport(rig, terms);
    await untilOver(prepared, "a");
    const { layers } = await running.until("a look at its layers", () => true);
    assert.equal(layers.at(-1)?.offset, 0n, "the last layer has not been asked for when the grant is over");
    await assertSalvaged(rig.node("b"), moved, await running.result);

    const { grant } = await rig.order(terms);
    const again = rig.node("b").controller.importImage({ ...grants.request(), grant });
    await assert.rejects(drain(again), (error) => {
      assert.ok(error instanceof ConnectError && error.code === Code.PermissionDenied, String(error));
      assert.match(error.rawMessage, /^grant expired at/, "what the same grant is worth now");
      return true;
    });
  });

  test("moves on to a source that it had not read from, because that has heard of the grant in time", async () => {
    const prepared = await prepare("moves-on", 1, ["a", "c"]);
    const { moved, terms } = prepared;
    const [a, c] = [rig.node("a").agent, rig.node("c").agent];
    const running = await startImport(rig, terms);
    await untilOver(prepared, "c");
    await running.untilInTheMiddle();
    const sent = await bytesSent(c);
    assert.ok(sent < 50_000, `node c has sent ${sent} bytes before`);
    await a.kill();
    try {
      await assertSalvaged(rig.node("b"), moved, await running.result);
      assert.ok((await bytesSent(c)) > sent + 200_000, "node c has sent the rest");
    } finally {
      await a.restart();
    }
  });

  /** Starts an import of which node c hears nothing until its grant is over, and which is then in the middle. */
  async function startWithoutC(prepared: Prepared): Promise<RunningImport> {
    const { network } = rig.node("c");
    await network.disconnect();
    try {
      const running = await startImport(rig, prepared.terms);
      await untilOver(prepared, "a");
      await running.untilInTheMiddle();
      return running;
    } finally {
      await network.connect();
    }
  }

  test("fails as retryable when only a source is left that knows nothing of it, and goes on with a fresh grant", async () => {
    const prepared = await prepare("forgotten", 1, ["a", "c"]);
    const { moved, order } = prepared;
    const { agent: a } = rig.node("a");
    const running = await startWithoutC(prepared);
    await a.kill();
    try {
      const failure = await failureOf(running.result);
      assert.equal(failure.retryable, true, failure.message);
      assert.match(failure.sources.get("c") ?? "", /^grant expired at/);
      assert.ok(failure.bytesResumable > 0);
      const result = await rig.import(order);
      assert.ok(
        Number(result.bytesTransferred) <= moved.bytes - failure.bytesResumable,
        "bytes that moved again",
      );
      await assertSalvaged(rig.node("b"), moved, result);
    } finally {
      await a.restart();
    }
  });

  test("shows its sources the fresh grant that a second caller has brought", async () => {
    const prepared = await prepare("joined", 1, ["a", "c"]);
    const { moved, order } = prepared;
    const [a, c] = [rig.node("a").agent, rig.node("c").agent];
    const running = await startWithoutC(prepared);
    const second = await startImport(rig, order);
    await second.untilInTheMiddle();
    const sent = await bytesSent(c);
    await a.kill();
    try {
      const [one, other] = await Promise.all([running.result, second.result]);
      assert.deepEqual(one, other, "two answers of one import");
      assert.ok((await bytesSent(c)) > sent + 200_000, "node c has sent the rest");
      await assertSalvaged(rig.node("b"), moved, one);
    } finally {
      await a.restart();
    }
  });

  for (const [what, offsetMs] of [
    ["ahead of", 45 * SECOND],
    ["behind", -45 * SECOND],
  ] as const) {
    test(`and one by a controller whose clock is 45 s ${what} the nodes' succeeds as well`, async () => {
      const moved = await uniqueImage(`clock-${what.replace(" ", "-")}`, { layers: [1000] });
      await loadImage(rig.node("c").containerd, moved.image, { names: [moved.name] });
      const grant = { now: Date.now() + offsetMs, lifetimeMs: 30 * SECOND };
      const result = await rig.import({ ...moved, names: [moved.name], target: "b", sources: ["c"], grant });
      await assertSalvaged(rig.node("b"), moved, result);
    });
  }
});

/** An image that runs, of 2.6 MB in layers of the same size. */
async function slowImage(title: string, layers: number): Promise<UniqueImage> {
  const base = await busyboxLayer();
  const size = Math.floor(TRANSFER_BYTES / layers);
  const image = await buildImage({
    layers: Array.from({ length: layers }, (_, at) => ({
      files: {
        ...(at === 0 && { ...base.files, "etc/title": title }),
        [`data/${at}`]: { size, fill: "random" as const, seed: `${title} ${at}` },
      },
    })),
    config: { cmd: ["/bin/echo", title] },
  });
  const bytes = [...image.blobs.values()].reduce((sum, blob) => sum + blob.size, 0);
  return { image, name: `${HOST}/${title}:v1`, output: title, bytes };
}

async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const message of stream) assert.ok(message);
}
