import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { ResponseDecoder } from "./http-response.ts";

interface Seen {
  status: number;
  headers: Readonly<Record<string, string>>;
  body: string;
  /** whether the connection can be used again; undefined without an end */
  isReusable: boolean | undefined;
}

/** Decodes an answer in pieces of `step` bytes. */
function decode(answer: string, step = answer.length): Seen {
  const seen: Seen = { status: 0, headers: {}, body: "", isReusable: undefined };
  const decoder = new ResponseDecoder({
    onHead({ status, headers }) {
      seen.status = status;
      seen.headers = Object.fromEntries(headers);
    },
    onBody(bytes) {
      seen.body += Buffer.from(bytes).toString("latin1");
    },
    onEnd(isReusable) {
      seen.isReusable = isReusable;
    },
  });
  const bytes = Buffer.from(answer, "latin1");
  for (let at = 0; at < bytes.length; at += step) decoder.decode(bytes.subarray(at, at + step));
  return seen;
}

const CHUNKED = [
  "HTTP/1.1 200 OK",
  "Content-Type:application/connect+proto",
  "X-Empty:",
  "Transfer-Encoding: Chunked ",
  "",
  "5",
  "hello",
  "A;extension=1",
  "0123456789",
  "0",
  "X-Trailer: yes",
  "",
  "",
].join("\r\n");

describe("the decoder of HTTP answers", () => {
  for (const step of [1, 2, 3, 7, 16, 1000]) {
    it(`reads chunks from pieces of ${step} bytes`, () => {
      assert.deepEqual(decode(CHUNKED, step), {
        status: 200,
        headers: {
          "content-type": "application/connect+proto",
          "x-empty": "",
          "transfer-encoding": "Chunked",
        },
        body: "hello0123456789",
        isReusable: true,
      });
    });
  }

  it("reads a body of known length, also an empty one", () => {
    const head = "HTTP/1.1 404\r\nconnection: Close\r\n";
    const { status, body, isReusable } = decode(`${head}content-length: 3\r\n\r\nabc`, 2);
    assert.deepEqual([status, body, isReusable], [404, "abc", false]);
    assert.equal(decode(`${head}content-length: 0\r\n\r\n`).isReusable, false);
  });

  it("takes lines that end without a carriage return", () => {
    assert.equal(decode(CHUNKED.replaceAll("\r", "")).body, "hello0123456789");
  });

  it("has no end before the last byte", () => {
    assert.equal(decode(CHUNKED.slice(0, -1)).isReusable, undefined);
    assert.equal(decode("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab").isReusable, undefined);
  });

  for (const [what, answer, message] of [
    ["another protocol", "SSH-2.0-OpenSSH_9.2\r\n", /not an answer of HTTP\/1\.1/],
    ["another version", "HTTP/1.0 200 OK\r\n", /not an answer of HTTP\/1\.1/],
    ["a header without a name", "HTTP/1.1 200 OK\r\n: x\r\n", /a header without a name/],
    ["a folded header", "HTTP/1.1 200 OK\r\na: b\r\n c: d\r\n", /a header without a name/],
    ["a body without a length", "HTTP/1.1 200 OK\r\n\r\n", /does not say how long/],
    ["a length that is no number", "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", /does not say how long/],
    [
      "a chunk without a size",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n",
      /a chunk without a size/,
    ],
    ["a chunk that is too long", CHUNKED.replace("hello", "hello!"), /longer than it said/],
    ["bytes after the end", `${CHUNKED}x`, /after the end/],
    [
      "headers without end",
      `HTTP/1.1 200 OK\r\na: ${"x".repeat(70_000)}`,
      /more than 65536 bytes of headers/,
    ],
  ] as const) {
    it(`refuses ${what}`, () => assert.throws(() => decode(answer), message));
  }
});
