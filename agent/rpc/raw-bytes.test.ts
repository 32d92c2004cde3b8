import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { createClient, createRouterTransport, type Interceptor } from "@connectrpc/connect";

import { AgentService, ExportBlobResponseSchema } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { collect } from "./fake-agent.ts";
import { createRawBytesInterceptor, type RawBytes, rawBytesKey, restoreData } from "./raw-bytes.ts";

function envelope(message: Uint8Array, flags = 0): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flags);
  head.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([head, message]);
}

describe("putting bytes back into an envelope", () => {
  for (const length of [1, 127, 128, 16_383, 16_384, 1_048_576, 3_000_000]) {
    it(`makes a message of ${length} bytes that any parser reads`, () => {
      const data = Buffer.alloc(length, 5);
      const rest = toBinary(ExportBlobResponseSchema, create(ExportBlobResponseSchema, { size: 77n }));
      const pieces = restoreData(envelope(rest), [data]);
      assert.equal(pieces.at(-1), data, "the data is not copied");
      const whole = Buffer.concat(pieces);
      assert.equal(whole.readUInt32BE(1), whole.byteLength - 5);
      const message = fromBinary(ExportBlobResponseSchema, whole.subarray(5));
      assert.equal(message.size, 77n);
      assert.ok(Buffer.from(message.data).equals(data));
    });
  }

  it("leaves messages alone that nothing was taken from, and the end of a stream", () => {
    const taken: RawBytes = [undefined, Buffer.alloc(10)];
    const plain = envelope(Buffer.from("abc"));
    assert.deepEqual(restoreData(plain, taken), [plain]);
    const end = envelope(Buffer.from("{}"), 2);
    assert.deepEqual(restoreData(end, taken), [end]);
    const webTrailer = envelope(Buffer.from("grpc-status: 0\r\n"), 0x80);
    assert.deepEqual(restoreData(webTrailer, taken), [webTrailer]);
    assert.equal(taken.length, 1);
  });
});

describe("taking bytes out of messages", () => {
  const large = Buffer.alloc(20_000, 1);
  const small = Buffer.alloc(100, 2);

  async function taken(
    contentType: string,
  ): Promise<{ readonly taken: RawBytes; readonly lengths: readonly number[] }> {
    const bytes: RawBytes = [];
    const prepare: Interceptor = (next) => (req) => {
      req.contextValues.set(rawBytesKey, bytes);
      req.header.set("content-type", contentType);
      return next(req);
    };
    const transport = createRouterTransport(
      (router) =>
        router.service(AgentService, {
          async *exportBlob() {
            yield { size: 20_100n };
            yield { data: large };
            yield { data: small };
          },
        }),
      { router: { interceptors: [prepare, createRawBytesInterceptor()] } },
    );
    const messages = await collect(createClient(AgentService, transport).exportBlob({}));
    return { taken: bytes, lengths: messages.map(({ data }) => data.byteLength) };
  }

  for (const type of ["application/connect+proto", "application/grpc", "application/grpc-web+proto"]) {
    it(`keeps large data apart and one entry for each message with ${type}`, async () => {
      assert.deepEqual(await taken(type), { taken: [undefined, large, undefined], lengths: [0, 0, 100] });
    });
  }

  it("leaves JSON messages whole", async () => {
    for (const type of ["application/connect+json", "application/grpc+json"]) {
      assert.deepEqual(await taken(type), { taken: [], lengths: [0, 20_000, 100] });
    }
  });
});
