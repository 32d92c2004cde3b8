import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";

import { Code, ConnectError } from "@connectrpc/connect";

import { Content } from "../../proto/gen/containerd/services/content/v1/content_pb.ts";
import { Connection } from "./connection.ts";
import { isUnavailable } from "./errors.ts";
import { frameHead } from "./grpc-frames.ts";
import type { GrpcStream } from "./grpc-stream.ts";

const headers = { ":status": 200, "content-type": "application/grpc" };

/** A call to a server that answers it with `answer`. */
async function call(
  t: TestContext,
  answer: (stream: ServerHttp2Stream, request: IncomingHttpHeaders, hangUp: () => void) => void,
): Promise<GrpcStream> {
  const dir = await mkdtemp(join(tmpdir(), "tote-grpc-"));
  const socket = join(dir, "s");
  const sockets: Socket[] = [];
  const server = createServer();
  server.on("connection", (connected: Socket) => sockets.push(connected));
  server.on("stream", (stream, request) => {
    stream.on("error", () => undefined);
    answer(stream, request, () => sockets.forEach((connected) => connected.destroy()));
  });
  server.listen(socket);
  await once(server, "listening");
  const connection = new Connection({ socket, namespace: "test" });
  t.after(async () => {
    connection.close();
    for (const connected of sockets) connected.destroy();
    server.close();
    await rm(dir, { recursive: true });
  });
  return await connection.openStream(Content.method.read, { lease: "kept" });
}

function frame(text: string): Buffer {
  return Buffer.concat([frameHead(Buffer.byteLength(text)), Buffer.from(text)]);
}

/** Answers with messages, then a status. */
function respond(
  stream: ServerHttp2Stream,
  texts: readonly string[],
  trailers: Record<string, string>,
): void {
  stream.respond(headers, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers(trailers));
  for (const text of texts) stream.write(frame(text));
  stream.end();
}

async function received(stream: GrpcStream): Promise<string[]> {
  const all: string[] = [];
  for (let next = await stream.receive(); next !== undefined; next = await stream.receive()) {
    all.push(Buffer.from(next).toString());
  }
  return all;
}

void describe("a gRPC stream", () => {
  void test("sends path, namespace, lease and messages, and receives messages to their end", async (t) => {
    const seen: unknown[] = [];
    const stream = await call(t, (server, request) => {
      for (const name of [":path", "containerd-namespace", "containerd-lease"]) seen.push(request[name]);
      const pieces: Buffer[] = [];
      server.on("data", (piece: Buffer) => pieces.push(piece));
      server.on("end", () => {
        seen.push(Buffer.concat(pieces).toString("latin1"));
        respond(server, ["one", "", "three"], { "grpc-status": "0" });
      });
    });
    stream.begin(4, Buffer.from("a"));
    for (const part of ["b", "", "cd"]) await stream.sendPart(Buffer.from(part));
    stream.send(new Uint8Array(0));
    stream.end();
    stream.end();
    assert.deepEqual(await received(stream), ["one", "", "three"]);
    assert.equal(await stream.receive(), undefined);
    const path = "/containerd.services.content.v1.Content/Read";
    assert.deepEqual(seen, [path, "test", "kept", "\0\0\0\0\x04abcd\0\0\0\0\0"]);
    stream.send(Buffer.from("too late"));
    await stream.sendPart(Buffer.from("too late"));
    stream.cancel(new ConnectError("too late", Code.Canceled));
    assert.equal(await stream.receive(), undefined);
  });

  void test("an error comes after the messages before it, its message decoded", async (t) => {
    const stream = await call(t, (server) => {
      respond(server, ["one"], { "grpc-status": "9", "grpc-message": "50%25 of caf%C3%A9" });
    });
    assert.equal(String(await stream.receive()), "one");
    await assert.rejects(stream.receive(), { code: Code.FailedPrecondition, rawMessage: "50% of café" });
    await assert.rejects(stream.receive(), { code: Code.FailedPrecondition });
  });

  void test("an error without messages comes in the headers; a message that cannot be decoded is left as it is", async (t) => {
    const stream = await call(t, (server) => {
      server.respond({ ...headers, "grpc-status": "5", "grpc-message": "100% gone" }, { endStream: true });
    });
    await assert.rejects(stream.receive(), { code: Code.NotFound, rawMessage: "100% gone" });
  });

  void test("an answer that is no gRPC, and a status that there is none of, are errors", async (t) => {
    const http = await call(t, (server) => server.respond({ ":status": 503 }, { endStream: true }));
    await assert.rejects(http.receive(), /\[unknown\] containerd answered HTTP status 503/);
    const odd = await call(t, (server) => respond(server, [], { "grpc-status": "99" }));
    await assert.rejects(odd.receive(), /\[unknown\] grpc status 99/);
  });

  void test("an end without a status, a reset and a lost connection are unavailable", async (t) => {
    const silent = await call(t, (server) => {
      server.respond(headers);
      server.end(frame("one"));
    });
    assert.equal(String(await silent.receive()), "one");
    await assert.rejects(silent.receive(), isUnavailable);
    const reset = await call(t, (server) => server.close(2));
    await assert.rejects(reset.receive(), isUnavailable);
    const lost = await call(t, (_server, _request, hangUp) => hangUp());
    await assert.rejects(lost.receive(), isUnavailable);
  });

  void test("a message over the limit ends the call", async (t) => {
    const stream = await call(t, (server) => {
      server.respond(headers);
      server.write(frameHead(100 * 1024 * 1024));
    });
    await assert.rejects(stream.receive(), /\[resource_exhausted\] got a message of 104857600 bytes/);
  });

  void test("silence ends the call after the time given, not before", async (t) => {
    const stream = await call(t, (server) => {
      server.respond(headers);
      server.write(frame("one"));
    });
    assert.equal(String(await stream.receive(10_000)), "one");
    await assert.rejects(stream.receive(50), /\[deadline_exceeded\] containerd at .* sent nothing for 50 ms/);
  });

  void test("cancel ends a waiting receive and tells the server", async (t) => {
    const closed = Promise.withResolvers<number | undefined>();
    const stream = await call(t, (server) => {
      server.respond(headers);
      server.on("close", () => closed.resolve(server.rstCode));
    });
    const waiting = stream.receive();
    stream.cancel(new ConnectError("enough", Code.Canceled));
    await assert.rejects(waiting, /\[canceled\] enough/);
    assert.equal(await closed.promise, 8);
  });

  void test("a receiver that stands still stops the server, and loses nothing", async (t) => {
    const message = "x".repeat(1024 * 1024);
    const count = 40;
    let sent = 0;
    const stream = await call(t, (server) => {
      server.respond(headers, { waitForTrailers: true });
      server.on("wantTrailers", () => server.sendTrailers({ "grpc-status": "0" }));
      const sendMore = (): void => {
        while (sent < count) {
          sent++;
          if (!server.write(frame(message))) return void server.once("drain", sendMore);
        }
        server.end();
      };
      sendMore();
    });
    assert.equal((await stream.receive())?.length, message.length);
    let before = -1;
    while (sent !== before) {
      before = sent;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.ok(sent < 20, `${sent} of ${count} messages sent to a receiver that took one`);
    assert.deepEqual(
      (await received(stream)).map((text) => text.length),
      Array(count - 1).fill(message.length),
    );
  });
});
