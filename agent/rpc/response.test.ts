import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import net, { type AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, it } from "node:test";

import { RPC_LIMITS } from "./limits.ts";
import { writeResponse } from "./response.ts";

/** Sends one answer with this body over HTTP/2 and returns what the client got, and how its stream ended. */
async function answerWith(
  body: readonly Uint8Array[],
): Promise<{ readonly text: string; readonly code: number }> {
  const server = http2.createServer((_req, res) => {
    const response = { status: 200, body: pieces(body) };
    writeResponse(response, res, [], RPC_LIMITS).catch((error: unknown) =>
      res.stream.destroy(new Error(String(error))),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = http2.connect(`http://127.0.0.1:${portOf(server.address())}`);
  try {
    const stream = client.request({ ":path": "/", ":method": "POST" });
    stream.end("{}");
    const received: Buffer[] = [];
    stream.on("data", (piece: Buffer) => received.push(piece));
    await once(stream, "close");
    return { text: Buffer.concat(received).toString(), code: stream.rstCode };
  } finally {
    client.close();
    server.close();
  }
}

async function* pieces(all: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* all;
}

function portOf(address: AddressInfo | string | null): number {
  assert.ok(typeof address === "object" && address !== null);
  return address.port;
}

describe("writeResponse over HTTP/2", () => {
  it("ends an answer without a byte, as a message with default values only is", async () => {
    assert.deepEqual(await answerWith([new Uint8Array(0)]), {
      text: "",
      code: http2.constants.NGHTTP2_NO_ERROR,
    });
  });

  it("ends an answer that has empty pieces in between", async () => {
    const body = ["", "one", "", "two", ""].map((text) => Buffer.from(text));
    assert.deepEqual(await answerWith(body), { text: "onetwo", code: http2.constants.NGHTTP2_NO_ERROR });
  });
});

describe("the pieces of an answer", () => {
  it("are reported once the operating system has them, and not while they wait for a client that does not read", async () => {
    const MIB = 1024 * 1024;
    const count = { asked: 0, sent: 0 };
    async function* body(): AsyncGenerator<Uint8Array> {
      for (; count.asked < 60; count.asked++) yield new Uint8Array(MIB);
    }
    const server = http.createServer((_req, res) => {
      void writeResponse({ status: 200, body: body() }, res, [], RPC_LIMITS, () => count.sent++);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const client = net.connect(portOf(server.address()), "127.0.0.1");
    client.pause();
    client.write("GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let before: number;
    do {
      before = count.asked;
      await sleep(200);
    } while (count.asked === 0 || count.asked !== before);
    assert.ok(count.asked < 60, "all of it went into the kernel's buffers");
    const waiting = count.asked + 1 - count.sent;
    assert.ok(waiting * MIB > RPC_LIMITS.writeAheadBytes, `${waiting} pieces wait`);
    client.resume();
    await once(client, "close");
    assert.equal(count.sent, 60);
    server.close();
  });
});
