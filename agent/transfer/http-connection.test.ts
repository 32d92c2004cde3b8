import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { afterEach, describe, it } from "node:test";

import { eventually } from "../rpc/fake-agent.ts";
import { HttpConnection } from "./http-connection.ts";

const REQUEST = Buffer.from("GET / HTTP/1.1\r\n\r\n");
const never = new AbortController().signal;

function ok(body: string, ...headers: string[]): string {
  return ["HTTP/1.1 200 OK", `content-length: ${body.length}`, ...headers, "", body].join("\r\n");
}

describe("a connection", () => {
  const undo: (() => void)[] = [];
  afterEach(() => {
    for (const step of undo.splice(0)) step();
  });

  /** A server that sends these answers, one for each request, and closes after `closeAfter` of them. */
  async function serve(answers: readonly string[], closeAfter = Number.POSITIVE_INFINITY) {
    const sockets: net.Socket[] = [];
    const server = net.createServer((socket) => {
      let requests = 0;
      sockets.push(socket);
      socket.on("error", () => undefined);
      socket.on("data", () => {
        socket.write(answers[requests] ?? "");
        requests += 1;
        if (requests === closeAfter) socket.end();
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    assert.ok(typeof address === "object" && address !== null);
    undo.push(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return { endpoint: `http://127.0.0.1:${address.port}`, sockets };
  }

  async function open(endpoint: string): Promise<HttpConnection> {
    const connection = await HttpConnection.open({ endpoint, timeoutMs: 5_000, signal: never });
    undo.push(() => connection.destroy());
    return connection;
  }

  /** Makes a request and says how it went, part by part. */
  async function exchange(
    connection: HttpConnection,
    options: { readonly signal?: AbortSignal; readonly onPart?: (part: string) => void } = {},
  ): Promise<readonly string[]> {
    const parts: string[] = [];
    const { promise, resolve } = Promise.withResolvers<readonly string[]>();
    const part = (text: string): void => {
      parts.push(text);
      options.onPart?.(text);
    };
    const listener = {
      onHead: ({ status }: { readonly status: number }) => part(`status ${status}`),
      onBody: (bytes: Uint8Array) => part(Buffer.from(bytes).toString()),
      onEnd(isReusable: boolean) {
        part(isReusable ? "end" : "end, close");
        resolve(parts);
      },
      onBroken(error: unknown) {
        part(`broken: ${error instanceof Error ? error.message : String(error)}`);
        resolve(parts);
      },
    };
    connection.exchange(REQUEST, listener, options.signal ?? never);
    return await promise;
  }

  it("takes one request after the other", async () => {
    const { endpoint, sockets } = await serve([ok("one"), ok("two")]);
    const connection = await open(endpoint);
    assert.deepEqual(await exchange(connection), ["status 200", "one", "end"]);
    assert.equal(connection.isOpen, true);
    assert.deepEqual(await exchange(connection), ["status 200", "two", "end"]);
    assert.equal(sockets.length, 1);
  });

  for (const [what, answer] of [
    ["a body shorter than it said", ok("hello").slice(0, -2)],
    ["a chunk that breaks off", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel"],
    ["a head that breaks off", "HTTP/1.1 200 OK\r\ncontent-le"],
    ["nothing", ""],
  ] as const) {
    it(`is broken by ${what} before the other side closes`, async () => {
      const connection = await open((await serve([answer], 1)).endpoint);
      const parts = await exchange(connection);
      assert.equal(parts.at(-1), "broken: the connection was closed");
      assert.equal(connection.isOpen, false);
    });
  }

  it("is broken by what is no answer, and by more bytes than the answer has", async () => {
    const nonsense = await open((await serve(["SSH-2.0\r\n"])).endpoint);
    assert.deepEqual(await exchange(nonsense), ["broken: not an answer of HTTP/1.1"]);
    assert.equal(nonsense.isOpen, false);
    const more = await open((await serve([`${ok("one")}more`])).endpoint);
    assert.deepEqual(await exchange(more), ["status 200", "one", "end"]);
    assert.equal(more.isOpen, false);
  });

  it("says when the other side wants to close it", async () => {
    const connection = await open((await serve([ok("one", "connection: close")])).endpoint);
    assert.deepEqual(await exchange(connection), ["status 200", "one", "end, close"]);
  });

  for (const throwing of ["status 200", "hello"]) {
    it(`ends with what its listener throws at "${throwing}"`, async () => {
      const connection = await open((await serve([ok("hello")])).endpoint);
      const parts = await exchange(connection, {
        onPart(part) {
          if (part === throwing) throw new Error("not for me");
        },
      });
      assert.equal(parts.at(-1), "broken: not for me");
      assert.equal(connection.isOpen, false);
    });
  }

  it("ends with the signal's reason in the middle of an answer, and closes", async () => {
    const { endpoint, sockets } = await serve([ok("hello").slice(0, -2)]);
    const connection = await open(endpoint);
    const stop = new AbortController();
    const parts = await exchange(connection, {
      signal: stop.signal,
      onPart: (part) => part === "hel" && stop.abort("enough"),
    });
    assert.deepEqual(parts, ["status 200", "hel", "broken: enough"]);
    await eventually(() => sockets.every((socket) => socket.closed), "the other side sees it");
  });

  it("ends at once when the signal has fired before, or it was closed before", async () => {
    const { endpoint } = await serve([ok("one")]);
    const connection = await open(endpoint);
    assert.deepEqual(await exchange(connection, { signal: AbortSignal.abort("too late") }), [
      "broken: too late",
    ]);
    assert.equal(connection.isOpen, false);
    assert.deepEqual(await exchange(connection), ["broken: the connection was closed"]);
    const options = { endpoint, timeoutMs: 5_000, signal: AbortSignal.abort(new Error("too late")) };
    await assert.rejects(HttpConnection.open(options), /^Error: too late$/);
  });

  it("does not heed the signal of an exchange that has ended", async () => {
    const connection = await open((await serve([ok("one"), ok("two")])).endpoint);
    const stop = new AbortController();
    await exchange(connection, { signal: stop.signal });
    stop.abort();
    assert.deepEqual(await exchange(connection), ["status 200", "two", "end"]);
  });

  it("is closed by bytes that nobody asked for", async () => {
    const { endpoint, sockets } = await serve([ok("one")]);
    const connection = await open(endpoint);
    await exchange(connection);
    connection.idle(60_000);
    sockets[0]?.write(ok("unasked"));
    await eventually(() => !connection.isOpen, "it is closed");
  });

  it("is closed when it is idle for too long, or the other side closes it", async () => {
    const { endpoint, sockets } = await serve([]);
    const idle = await open(endpoint);
    idle.idle(20);
    // idle connections keep nobody alive
    const alive = setInterval(() => undefined, 1_000);
    undo.push(() => clearInterval(alive));
    await eventually(() => !idle.isOpen, "it is closed");
    const left = await open(endpoint);
    left.idle(60_000);
    await eventually(() => sockets.length === 2, "the other side has it");
    sockets[1]?.end();
    await eventually(() => !left.isOpen, "it is closed");
  });
});
