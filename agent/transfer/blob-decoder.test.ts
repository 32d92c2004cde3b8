import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";

import { type ExportBlobResponse, ExportBlobResponseSchema } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { BlobDecoder } from "./blob-decoder.ts";
import { BufferPool } from "./buffer-pool.ts";

function newDecoder(): BlobDecoder {
  return new BlobDecoder(new BufferPool({ minBytes: 100, maxBytes: 1000, keep: 1 }));
}

function envelope(body: Uint8Array, flags = 0): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flags);
  head.writeUInt32BE(body.byteLength, 1);
  return Buffer.concat([head, body]);
}

function message(init: { readonly size?: bigint; readonly data?: Uint8Array }): Buffer {
  return envelope(toBinary(ExportBlobResponseSchema, create(ExportBlobResponseSchema, init)));
}

const END = envelope(Buffer.from("{}"), 2);
const DATA = Buffer.from(Array.from({ length: 300 }, (_, index) => index % 251));
const STREAM = Buffer.concat([
  message({ size: 600n }),
  message({ data: DATA }),
  envelope(Buffer.alloc(0)),
  message({ data: DATA }),
  END,
]);

describe("the decoder of blob streams", () => {
  for (const step of [1, 2, 3, 4, 5, 6, 7, 64, 299, 305, 313, 100_000]) {
    it(`gives the same messages from chunks of ${step} bytes`, () => {
      const decoder = newDecoder();
      const messages: ExportBlobResponse[] = [];
      for (let at = 0; at < STREAM.byteLength; at += step) {
        assert.equal(decoder.ended, false);
        messages.push(...decoder.decode(STREAM.subarray(at, at + step)));
      }
      assert.equal(decoder.ended, true);
      assert.deepEqual(
        messages.map(({ size, data }) => [Number(size), Buffer.from(data).toString("hex")]),
        [
          [600, ""],
          [0, DATA.toString("hex")],
          [0, ""],
          [0, DATA.toString("hex")],
        ],
      );
    });
  }

  it("keeps messages apart in memory, so that one may be held while others come", () => {
    const decoder = newDecoder();
    const bytes = message({ data: DATA });
    const [first] = [...decoder.decode(bytes.subarray(0, 100)), ...decoder.decode(bytes.subarray(100))];
    decoder.decode(message({ data: Buffer.alloc(300) }).subarray(0, 200));
    assert.ok(first !== undefined && Buffer.from(first.data).equals(DATA));
  });

  it("throws the server's error with code, message and details", () => {
    const error = {
      code: "data_loss",
      message: "sha256:a is not sha256:b",
      details: [{ type: "x.Y", value: "" }],
    };
    const end = envelope(Buffer.from(JSON.stringify({ error, metadata: { "retry-after": ["3"] } })), 2);
    assert.throws(
      () => newDecoder().decode(end),
      (thrown: unknown) => {
        assert.ok(thrown instanceof ConnectError);
        assert.equal(thrown.code, Code.DataLoss);
        assert.equal(thrown.rawMessage, "sha256:a is not sha256:b");
        assert.equal(thrown.details.length, 1);
        assert.equal(thrown.metadata.get("retry-after"), "3");
        return true;
      },
    );
  });

  for (const [what, bytes, code] of [
    ["a message over the limit", Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 1]), Code.ResourceExhausted],
    ["a compressed message", envelope(Buffer.from("x"), 1), Code.Internal],
    ["an unknown flag", envelope(Buffer.from("x"), 4), Code.Internal],
    ["a message that does not parse", envelope(Buffer.from([0x0a, 0x7f, 1])), Code.Internal],
    ["an end that is no JSON", envelope(Buffer.from("nonsense"), 2), Code.Unknown],
    ["data after the end", Buffer.concat([END, message({ data: DATA })]), Code.Internal],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.throws(() => newDecoder().decode(bytes), { code });
    });
  }
});
