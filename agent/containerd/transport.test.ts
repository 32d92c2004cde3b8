import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, createClient } from "@connectrpc/connect";

import {
  Content,
  InfoRequestSchema,
  InfoResponseSchema,
  ListContentResponseSchema,
} from "../../proto/gen/containerd/services/content/v1/content_pb.ts";
import { Connection } from "./connection.ts";
import { frameHead } from "./grpc-frames.ts";

type Answer = (stream: ServerHttp2Stream, request: IncomingHttpHeaders, message: Uint8Array) => void;

/** A client of a server that answers each call with `answer`, once its message has arrived. */
async function clientOf(t: TestContext, answer: Answer) {
  const dir = await mkdtemp(join(tmpdir(), "tote-transport-"));
  const socket = join(dir, "s");
  const sockets: Socket[] = [];
  const server = createServer();
  server.on("connection", (connected: Socket) => sockets.push(connected));
  server.on("stream", (stream, request) => {
    stream.on("error", () => undefined);
    const pieces: Buffer[] = [];
    stream.on("data", (piece: Buffer) => pieces.push(piece));
    stream.on("end", () => answer(stream, request, Buffer.concat(pieces).subarray(5)));
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
  const client = createClient(Content, connection.transport);
  return Object.assign(client, { pages: () => connection.iterate({}, (call) => client.list({}, call)) });
}

/** Answers with messages, then a status. */
function respond(stream: ServerHttp2Stream, messages: readonly Uint8Array[], status = "0"): void {
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": status, "grpc-message": "so it is" }));
  for (const message of messages) stream.write(Buffer.concat([frameHead(message.length), message]));
  stream.end();
}

function info(size: bigint): Uint8Array {
  return toBinary(InfoResponseSchema, create(InfoResponseSchema, { info: { size } }));
}

function page(...digests: readonly string[]): Uint8Array {
  const infos = digests.map((digest) => ({ digest }));
  return toBinary(ListContentResponseSchema, create(ListContentResponseSchema, { info: infos }));
}

void describe("calls to containerd", () => {
  void test("carry path, headers, deadline and message, and bring the answer", async (t) => {
    const client = await clientOf(t, (stream, request, message) => {
      assert.equal(request[":path"], "/containerd.services.content.v1.Content/Info");
      assert.deepEqual([request["grpc-timeout"], request["x-mine"]], ["1500m", "yes"]);
      assert.equal(fromBinary(InfoRequestSchema, message).digest, "sha256:1");
      respond(stream, [info(7n)]);
    });
    const answer = await client.info(
      { digest: "sha256:1" },
      { timeoutMs: 1500, headers: { "x-mine": "yes" } },
    );
    assert.equal(answer.info?.size, 7n);
  });

  void test("fail with the status, also when a message came before it", async (t) => {
    const client = await clientOf(t, (stream) => respond(stream, [info(7n)], "5"));
    await assert.rejects(client.info({}), { code: Code.NotFound, rawMessage: "so it is" });
  });

  void test("fail when there is no message where there must be one", async (t) => {
    const client = await clientOf(t, (stream) => respond(stream, []));
    await assert.rejects(client.info({}), { code: Code.Internal, rawMessage: "Info answered nothing" });
  });

  void test("end at their deadline and with their signal, and tell containerd so", async (t) => {
    const codes: number[] = [];
    const closed: Promise<unknown>[] = [];
    const client = await clientOf(t, (stream) => {
      closed.push(once(stream, "close").then(() => codes.push(stream.rstCode)));
    });
    await assert.rejects(client.info({}, { timeoutMs: 20 }), { code: Code.DeadlineExceeded });
    const stop = new AbortController();
    const stopped = client.info({}, { signal: stop.signal });
    setTimeout(() => stop.abort(new Error("no more")), 20);
    await assert.rejects(stopped, { code: Code.Canceled });
    await assert.rejects(client.info({}, { signal: stop.signal }), { code: Code.Canceled });
    await Promise.all(closed);
    const cancel = 8;
    assert.deepEqual(codes, [cancel, cancel]);
  });

  void test("that stream bring one message after the other; leaving the loop ends them", async (t) => {
    let ended: Promise<unknown> = Promise.resolve();
    const client = await clientOf(t, (stream) => {
      ended = once(stream, "close");
      stream.respond({ ":status": 200, "content-type": "application/grpc" });
      for (const message of [page("a", "b"), page("c")]) {
        stream.write(Buffer.concat([frameHead(message.length), message]));
      }
    });
    const seen: string[] = [];
    for await (const { info: infos } of client.pages()) {
      seen.push(...infos.map(({ digest }) => digest));
      if (seen.includes("c")) break;
    }
    assert.deepEqual(seen, ["a", "b", "c"]);
    await ended;
  });

  void test("that stream fail with the status behind the messages", async (t) => {
    const client = await clientOf(t, (stream) => respond(stream, [page("a")], "9"));
    const seen: string[] = [];
    await assert.rejects(
      async () => {
        for await (const { info: infos } of client.pages()) seen.push(...infos.map(({ digest }) => digest));
      },
      { code: Code.FailedPrecondition },
    );
    assert.deepEqual(seen, ["a"]);
  });
});
