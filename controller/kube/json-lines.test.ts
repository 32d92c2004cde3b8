import assert from "node:assert/strict";
import { test } from "node:test";

import { LineTooLongError, readJsonLines } from "./json-lines.ts";

async function* pieces(...parts: readonly (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield typeof part === "string" ? Buffer.from(part) : part;
}

async function read(source: AsyncIterable<Uint8Array>, max = 1000): Promise<unknown[]> {
  return await Array.fromAsync(readJsonLines(source, max));
}

test("lines are the same wherever the stream is cut, also inside a character", async () => {
  const text = '{"a":"€🐳"}\n\n{"b":[1,2]}\r\n{"c":null}\n';
  const bytes = Buffer.from(text);
  const wanted = [{ a: "€🐳" }, { b: [1, 2] }, { c: null }];
  for (let at = 0; at <= bytes.length; at += 1) {
    const lines = await read(pieces(bytes.subarray(0, at), bytes.subarray(at)));
    assert.deepEqual(lines, wanted, `cut at ${at}`);
  }
  assert.deepEqual(await read(pieces(...[...bytes].map((byte) => Uint8Array.of(byte)))), wanted);
});

test("a last line without its end is dropped, even when it would be JSON", async () => {
  assert.deepEqual(await read(pieces('{"a":1}\n{"b":2}')), [{ a: 1 }]);
  assert.deepEqual(await read(pieces('{"a":1}\n12')), [{ a: 1 }]);
});

test("a line of exactly the limit is read, one byte more is refused before its end has come", async () => {
  const line = JSON.stringify("x".repeat(98));
  assert.equal(line.length, 100);
  assert.deepEqual(await read(pieces(`${line}\n`), 100), ["x".repeat(98)]);
  await assert.rejects(read(pieces(line.slice(0, 60), `${line.slice(60)} `), 100), LineTooLongError);
  await assert.rejects(read(pieces(`${line} \n`), 100), LineTooLongError);
});

test("a long line in many pieces is not read over and over", async () => {
  const piece = Buffer.alloc(1000, "x");
  async function* source(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('"');
    for (let n = 0; n < 20_000; n += 1) yield piece;
    yield Buffer.from('"\n');
  }
  const [line] = await read(source(), 30_000_000);
  assert.equal(String(line).length, 20_000_000);
});

test("what is no JSON ends the stream", async () => {
  await assert.rejects(read(pieces('{"a":1}\n<html>\n')), SyntaxError);
});

test("whoever stops reading closes the source", async () => {
  let closed = false;
  async function* source(): AsyncGenerator<Uint8Array> {
    try {
      yield Buffer.from("1\n2\n");
      yield Buffer.from("3\n");
    } finally {
      closed = true;
    }
  }
  for await (const line of readJsonLines(source(), 10)) {
    if (line === 2) break;
  }
  assert.ok(closed);
});
