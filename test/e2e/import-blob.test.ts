import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Code, ConnectError } from "@connectrpc/connect";

import type { ImportBlobResponse } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { assertImageRuns } from "../harness/assert-image.ts";
import { imageStatus } from "../harness/cri.ts";
import { startSharedRig, type Rig } from "../harness/rig.ts";
import { uniqueImage, type UniqueImage } from "../harness/unique-image.ts";
import { createGrantMaker } from "./grants.ts";

/** Bytes of a message. */
const PIECE = 256 * 1024;

interface Push {
  readonly digest: string;
  /** what is sent after the header */
  readonly data: Uint8Array;
  /** header.size, default: of the blob */
  readonly size?: number;
  readonly offset?: number;
}

describe("a blob is pushed to an agent", () => {
  let rig: Rig;
  let wanted: UniqueImage;
  let grant: string;
  before(async () => {
    rig = await startSharedRig({ b: {} });
    wanted = await uniqueImage("pushed", { layers: [700_000, 300_000, 200_000] });
    const maker = createGrantMaker(rig, {
      image: wanted.image,
      names: [wanted.name],
      target: "b",
      sources: [],
    });
    grant = await maker.sign(await maker.importClaims({ blobs: [...wanted.image.blobs.keys()] }));
  });
  after(() => rig.cleanup.run());

  const layer = (at: number): string => wanted.image.layers[at]?.digest ?? "";

  async function bytesOf(digest: string): Promise<Uint8Array> {
    const blob = wanted.image.blobs.get(digest);
    assert.ok(blob, `the image has no blob ${digest}`);
    return await blob.bytes();
  }

  async function push({ digest, data, offset = 0, ...rest }: Push): Promise<ImportBlobResponse> {
    const size = rest.size ?? wanted.image.blobs.get(digest)?.size ?? data.length;
    async function* messages() {
      const value = { digest, size: BigInt(size), offset: BigInt(offset), grant };
      yield { part: { case: "header" as const, value } };
      for (let at = 0; at < data.length; at += PIECE) {
        yield { part: { case: "data" as const, value: Uint8Array.from(data.subarray(at, at + PIECE)) } };
      }
    }
    return await rig.node("b").controller.importBlob(messages());
  }

  async function refusal(
    call: Promise<unknown>,
  ): Promise<{ readonly code: string; readonly message: string }> {
    const error = await call.then(
      () => undefined,
      (reason: unknown) => ConnectError.from(reason),
    );
    assert.ok(error, "the push was taken");
    return { code: Code[error.code], message: error.rawMessage };
  }

  async function isStored(digest: string): Promise<boolean> {
    await rig.node("b").ctr.forceGc();
    return (await rig.node("b").ctr.content()).some((blob) => blob.digest === digest);
  }

  test("whole: it is stored, survives garbage collection, and a second push has nothing to do", async () => {
    const digest = layer(0);
    const data = await bytesOf(digest);
    const answer = await push({ digest, data });
    assert.equal(answer.committed, true);
    assert.equal(Number(answer.offset), data.length);
    assert.equal(await isStored(digest), true);
    const again = await push({ digest, data: new Uint8Array() });
    assert.deepEqual([again.committed, Number(again.offset)], [true, data.length]);
  });

  test("in parts: each answer says where to go on, a header alone asks, and repeated bytes are skipped", async () => {
    const digest = layer(1);
    const data = await bytesOf(digest);
    const half = await push({ digest, data: data.subarray(0, 400_000) });
    assert.deepEqual([half.committed, Number(half.offset)], [false, 400_000]);
    assert.equal(await isStored(digest), false);
    const asked = await push({ digest, data: new Uint8Array() });
    assert.deepEqual([asked.committed, Number(asked.offset)], [false, 400_000]);
    const more = await push({ digest, data: data.subarray(100_000, 500_000), offset: 100_000 });
    assert.deepEqual([more.committed, Number(more.offset)], [false, 500_000]);
    const past = await refusal(push({ digest, data: data.subarray(500_001), offset: 500_001 }));
    assert.deepEqual(past, {
      code: "InvalidArgument",
      message: "header.offset: is 500001, only 500000 bytes are stored",
    });
    const rest = await push({ digest, data: data.subarray(500_000), offset: 500_000 });
    assert.deepEqual([rest.committed, Number(rest.offset)], [true, data.length]);
    assert.equal(await isStored(digest), true);
  });

  test("with wrong bytes: data_loss with both digests, nothing is left, and the right bytes are taken", async () => {
    const digest = layer(2);
    const data = await bytesOf(digest);
    const held = (await rig.node("b").ctr.leases()).length;
    const wrong = await refusal(push({ digest, data: data.map((byte) => byte ^ 1) }));
    assert.equal(wrong.code, "DataLoss");
    assert.match(wrong.message, new RegExp(`unexpected commit digest sha256:\\w{64}, expected ${digest}`));
    assert.deepEqual(await rig.node("b").ctr.ingests(), []);
    assert.equal((await rig.node("b").ctr.leases()).length, held);
    assert.equal((await push({ digest, data })).committed, true);
  });

  test("with more bytes than announced: it is refused with the number, and never becomes a blob", async () => {
    const digest = layer(3);
    const data = await bytesOf(digest);
    const long = await refusal(push({ digest, data: Buffer.concat([data, data]) }));
    assert.deepEqual(long, {
      code: "InvalidArgument",
      message: `data: goes beyond the ${data.length} bytes that the header announced`,
    });
    assert.equal(await isStored(digest), false);
    assert.equal((await push({ digest, data })).committed, true);
  });

  test("with numbers that cannot be, or without a header: it is refused", async () => {
    const digest = wanted.image.config.digest;
    const data = new Uint8Array();
    for (const [numbers, message] of [
      [{ size: -1 }, "header.size: is -1, must be a number of bytes of at least 0"],
      [{ offset: -1 }, "header.offset: is -1, must be a number of bytes of at least 0"],
    ] as const) {
      assert.deepEqual(await refusal(push({ digest, data, ...numbers })), {
        code: "InvalidArgument",
        message,
      });
    }
    const { controller } = rig.node("b");
    async function* headless() {
      yield { part: { case: "data" as const, value: new Uint8Array(5) } };
    }
    async function* nothing() {}
    for (const messages of [headless(), nothing()]) {
      assert.deepEqual(await refusal(controller.importBlob(messages)), {
        code: "InvalidArgument",
        message: "part: the first message must be a header",
      });
    }
    const bad = await refusal(push({ digest: "sha256:abc", data, size: 1 }));
    assert.equal(bad.code, "InvalidArgument");
    assert.match(bad.message, /header\.digest/);
  });

  test("and all others too: the image is imported without a source", async () => {
    const b = rig.node("b");
    for (const digest of wanted.image.blobs.keys()) {
      assert.equal((await push({ digest, data: await bytesOf(digest) })).committed, true);
    }
    const result = await rig.import({ image: wanted.image, names: [wanted.name], target: "b", sources: [] });
    assert.equal(result.bytesTransferred, 0n);
    assert.equal((await imageStatus(b.containerd, wanted.name))?.id, wanted.image.config.digest);
    // the leases of the pushes live for their hour; the image must not need them
    for (const { id } of await b.ctr.leases()) await b.ctr.exec(["leases", "delete", id]);
    await assertImageRuns(b.containerd, wanted.name, wanted.output);
  });
});
