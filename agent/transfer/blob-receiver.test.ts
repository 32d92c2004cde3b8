import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";

import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";

import { ExportBlobResponseSchema } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { rejection } from "../rpc/fake-agent.ts";
import { BlobReceiver, CONTENT_TYPE } from "./blob-receiver.ts";
import { BufferPool } from "./buffer-pool.ts";
import type { BlobMessage } from "./peer.ts";

const IDLE_MS = 10_000;
const MIB = 1024 * 1024;
const HEAD = { status: 200, headers: new Map([["content-type", CONTENT_TYPE]]) };

function envelope(flags: number, body: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flags);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}

function message(content: { readonly size?: bigint; readonly data?: Uint8Array<ArrayBuffer> }): Buffer {
  return envelope(0, toBinary(ExportBlobResponseSchema, create(ExportBlobResponseSchema, content)));
}

function end(text = "{}"): Buffer {
  return envelope(2, Buffer.from(text));
}

function receive() {
  const flow: string[] = [];
  const connection = { pause: () => void flow.push("pause"), resume: () => void flow.push("resume") };
  const buffers = new BufferPool({ minBytes: 1, maxBytes: 2 * MIB, keep: 1 });
  const receiver = new BlobReceiver({ endpoint: "http://source", connection, buffers });
  return { flow, receiver, buffers };
}

/** Reads to the end: what came, and the error that ended it. */
async function readAll(
  receiver: BlobReceiver,
): Promise<{ readonly texts: string[]; readonly error: unknown }> {
  const texts: string[] = [];
  try {
    for await (const part of receiver.messages(IDLE_MS)) texts.push(textOf(part));
    return { texts, error: undefined };
  } catch (error) {
    return { texts, error };
  }
}

function textOf(part: BlobMessage): string {
  return "size" in part ? `size ${part.size}` : Buffer.from(part.data).toString();
}

describe("the receiver of a blob", () => {
  it("hands out the size and the data, however the bytes are cut", async () => {
    const body = Buffer.concat([message({ size: 6n }), message({ data: Buffer.from("abc") }), end()]);
    for (const step of [1, 4, body.length]) {
      const { receiver } = receive();
      receiver.onHead(HEAD);
      for (let at = 0; at < body.length; at += step) receiver.onBody(body.subarray(at, at + step));
      receiver.onEnd(true);
      assert.deepEqual(await readAll(receiver), { texts: ["size 6", "abc"], error: undefined });
      assert.equal(receiver.isReusable, true);
    }
  });

  it("hands out what arrives while it is waited for", async () => {
    const { receiver } = receive();
    const messages = receiver.messages(IDLE_MS);
    const first = messages.next();
    receiver.onHead(HEAD);
    receiver.onBody(message({ size: 3n }));
    assert.deepEqual((await first).value, { size: 3 });
    const second = messages.next();
    receiver.onBody(end());
    receiver.onEnd(true);
    assert.equal((await second).done, true);
  });

  it("takes the data of the first message too", async () => {
    const { receiver } = receive();
    receiver.onHead(HEAD);
    receiver.onBody(Buffer.concat([message({ size: 2n, data: Buffer.from("ab") }), end()]));
    receiver.onEnd(true);
    assert.deepEqual((await readAll(receiver)).texts, ["size 2", "ab"]);
  });

  for (const [status, type, code] of [
    [404, CONTENT_TYPE, Code.Unimplemented],
    [429, CONTENT_TYPE, Code.Unavailable],
    [500, CONTENT_TYPE, Code.Unknown],
    [200, "application/json", Code.Internal],
    [200, undefined, Code.Internal],
  ] as const) {
    it(`refuses status ${status} with content type ${type ?? "none"}`, () => {
      const { receiver } = receive();
      const headers = new Map(type === undefined ? [] : [["content-type", type]]);
      assert.throws(
        () => receiver.onHead({ status, headers }),
        (error) => error instanceof ConnectError && error.code === code,
      );
      assert.equal(receiver.isReusable, false);
    });
  }

  it("throws the error in the end of the stream after the data that came before it", async () => {
    const { receiver } = receive();
    receiver.onHead(HEAD);
    receiver.onBody(Buffer.concat([message({ size: 9n }), message({ data: Buffer.from("abc") })]));
    const failing = '{"error":{"code":"not_found","message":"no blob"}}';
    // as the connection does: what the receiver throws breaks the exchange
    assert.throws(() => receiver.onBody(end(failing)), /no blob/);
    receiver.onBroken(new ConnectError("no blob", Code.NotFound));
    const { texts, error } = await readAll(receiver);
    assert.deepEqual(texts, ["size 9", "abc"]);
    assert.equal(ConnectError.from(error).code, Code.NotFound);
    assert.equal(receiver.isReusable, false);
  });

  it("takes an answer that ends without the end of the stream for broken off", async () => {
    for (const rest of [Buffer.alloc(0), message({ data: Buffer.from("abc") }).subarray(0, 7)]) {
      const { receiver } = receive();
      receiver.onHead(HEAD);
      receiver.onBody(Buffer.concat([message({ size: 9n }), rest]));
      receiver.onEnd(true);
      const { texts, error } = await readAll(receiver);
      assert.deepEqual(texts, ["size 9"]);
      assert.equal(ConnectError.from(error).code, Code.Unavailable);
      assert.equal(receiver.isReusable, false);
    }
  });

  it("throws what the connection broke with, after the messages that were whole", async () => {
    const { receiver } = receive();
    receiver.onHead(HEAD);
    receiver.onBody(Buffer.concat([message({ size: 9n }), Buffer.from("\0\0")]));
    const broken = new Error("reset");
    receiver.onBroken(broken);
    receiver.onBroken(new Error("a later one"));
    assert.deepEqual(await readAll(receiver), { texts: ["size 9"], error: broken });
  });

  it("refuses empty messages after the first, which could go on for ever", async () => {
    const { receiver } = receive();
    receiver.onHead(HEAD);
    receiver.onBody(Buffer.concat([message({ size: 9n }), message({})]));
    const { texts, error } = await readAll(receiver);
    assert.deepEqual(texts, ["size 9"]);
    assert.equal(ConnectError.from(error).code, Code.Internal);
  });

  it("refuses bytes after the end of the stream", () => {
    const { receiver } = receive();
    receiver.onHead(HEAD);
    assert.throws(() => receiver.onBody(Buffer.concat([end(), Buffer.from("x")])), /after the end/);
  });

  it("stops the connection at 2 MiB that nobody has read, and lets it go on below", async () => {
    const { receiver, flow } = receive();
    receiver.onHead(HEAD);
    receiver.onBody(message({ size: BigInt(9 * MIB), data: Buffer.alloc(MIB) }));
    assert.deepEqual(flow, []);
    receiver.onBody(message({ data: Buffer.alloc(MIB) }));
    assert.deepEqual(flow, ["pause"]);
    await receiver.messages(IDLE_MS).next();
    assert.deepEqual(flow, ["pause", "resume"]);
  });

  it("gives the memory of a message back when the next one is asked for", async () => {
    const { receiver, buffers } = receive();
    receiver.onHead(HEAD);
    receiver.onBody(Buffer.concat([message({ size: 9n }), message({ data: Buffer.from("abc") })]));
    const messages = receiver.messages(IDLE_MS);
    await messages.next();
    const { value } = await messages.next();
    assert.ok(value !== undefined && "data" in value);
    assert.notEqual(buffers.take(10).buffer, value.data.buffer);
    const next = messages.next();
    assert.equal(buffers.take(10).buffer, value.data.buffer);
    receiver.onBody(end());
    receiver.onEnd(true);
    await next;
  });

  it("tells silence before the answer from silence within it", async () => {
    const { receiver } = receive();
    assert.equal(await receiver.hasAnswer(5), false);
    const unanswered = await rejection(() => receiver.messages(5).next());
    assert.match(unanswered.rawMessage, /^http:\/\/source has not answered for 0.005 s$/);
    receiver.onHead(HEAD);
    assert.equal(await receiver.hasAnswer(5), true);
    const silent = await rejection(() => receiver.messages(5).next());
    assert.equal(silent.code, Code.DeadlineExceeded);
    assert.match(silent.rawMessage, /^nothing received for/);
  });

  it("takes no message that comes in pieces for silence, which counts from the last piece", async () => {
    const { receiver } = receive();
    receiver.onHead(HEAD);
    const messages = receiver.messages(400);
    const first = messages.next();
    const bytes = message({ size: 9n });
    for (const byte of bytes) {
      await setTimeout(150);
      receiver.onBody(Uint8Array.of(byte));
    }
    assert.deepEqual((await first).value, { size: 9 });
    const asked = performance.now();
    const second = rejection(() => messages.next());
    await setTimeout(200);
    receiver.onBody(bytes.subarray(0, 1));
    assert.match((await second).rawMessage, /^nothing received for 0.4 s$/);
    assert.ok(performance.now() - asked >= 590, "the piece did not count");
  });

  it("has no answer from a connection that broke before", async () => {
    const { receiver } = receive();
    const waiting = receiver.hasAnswer(IDLE_MS);
    receiver.onBroken(new Error("reset"));
    assert.equal(await waiting, false);
  });
});
