import assert from "node:assert/strict";
import { test } from "node:test";

import { fromBinary, toBinary, create } from "@bufbuild/protobuf";

import { WriteContentRequestSchema } from "../../proto/gen/containerd/services/content/v1/content_pb.ts";
import { bytesFieldHead, frameHead, FrameReader } from "./grpc-frames.ts";

const messages = ["", "a", "x".repeat(300), "", "last"].map((text) => Buffer.from(text));
const framed = Buffer.concat(messages.flatMap((message) => [frameHead(message.length), message]));

void test("messages come out whole however the stream is cut", () => {
  for (let size = 1; size <= framed.length; size++) {
    const reader = new FrameReader(1000);
    const found: Uint8Array[] = [];
    for (let at = 0; at < framed.length; at += size)
      found.push(...reader.push(framed.subarray(at, at + size)));
    assert.deepEqual(found.map(String), messages.map(String), `pieces of ${size} bytes`);
  }
});

void test("messages have memory of their own", () => {
  const piece = Buffer.from(framed);
  const found = new FrameReader(1000).push(piece);
  piece.fill(0);
  assert.deepEqual(found.map(String), messages.map(String));
});

void test("a message over the limit and a compressed one are refused", () => {
  assert.throws(
    () => new FrameReader(10).push(frameHead(11)),
    /\[resource_exhausted\] got a message of 11 bytes.*limit of 10/,
  );
  assert.deepEqual(new FrameReader(10).push(frameHead(10)), []);
  assert.throws(
    () => new FrameReader(10).push(Uint8Array.from([1, 0, 0, 0, 0])),
    /\[internal\] got a message with flags 1/,
  );
});

void test("a field head in front of bytes is what protobuf writes", () => {
  for (const length of [1, 127, 128, 16_383, 16_384, 2_097_152]) {
    const data = Buffer.alloc(length, 7);
    const written = toBinary(WriteContentRequestSchema, create(WriteContentRequestSchema, { data }));
    assert.deepEqual(Buffer.concat([bytesFieldHead(6, length), data]), Buffer.from(written));
    assert.equal(fromBinary(WriteContentRequestSchema, written).data.length, length);
  }
});
