import assert from "node:assert/strict";
import { createServer as createHttpServer } from "node:http";
import { connect as connectTcp, createServer as createTcpServer } from "node:net";
import { test, type TestContext } from "node:test";

import { createPki } from "../../test/harness/pki.ts";
import { RESPONSE_MAX_BYTES } from "../limits.ts";
import { listenOn, startReceiver } from "../testing/receiver.ts";
import { createAddressPolicy } from "./addresses.ts";
import type { Lookup } from "./connect.ts";
import { createHttpClient, type HttpClientOptions } from "./http-client.ts";
import { HttpFailure, type HttpClient, type HttpFailureReason } from "./http.ts";

/** For what must not run out of time, however busy the machine is. */
const patience = (): AbortSignal => AbortSignal.timeout(30_000);

const LOOPBACK = ["127.0.0.1/32", "::1/128"];

function client(
  t: TestContext,
  changes: Partial<HttpClientOptions> & { readonly allow?: readonly string[] } = {},
): HttpClient {
  const { allow = LOOPBACK, ...rest } = changes;
  const made = createHttpClient({
    policy: createAddressPolicy({ allow, refusePrivate: false, alsoRefuse: [] }),
    tls: { ca: "", cert: "", key: "" },
    timeoutMs: 30_000,
    proxyUrl: "",
    connections: 4,
    ...rest,
  });
  t.after(() => made.close());
  return made;
}

/** Answers look-ups one after the other from a list; the last answer stays. */
function answering(...answers: readonly string[]): Lookup {
  let at = 0;
  return (_, callback) => {
    const address = answers[Math.min(at, answers.length - 1)] ?? "";
    at += 1;
    callback(null, [{ address, family: address.includes(":") ? 6 : 4 }]);
  };
}

const message = (url: string) => ({ url, headers: { "content-type": "application/json" }, body: '{"a":1}' });

async function failure(promise: Promise<unknown>): Promise<HttpFailure> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof HttpFailure, `no failure but ${String(error)}`);
  return error;
}

test("a POST arrives as it was given and its answer comes back", async (t) => {
  const receiver = await startReceiver(t);
  receiver.behave((_, response) => response.writeHead(201, { "X-Two": ["a", "b"] }).end("fine"));
  const answer = await client(t).post(message(`${receiver.url}/hook?x=1`), patience());
  assert.deepEqual([answer.status, answer.body, answer.isTruncated], [201, "fine", false]);
  assert.equal(answer.headers["x-two"], "a, b");
  assert.equal(receiver.requests[0]?.path, "/hook?x=1");
  assert.equal(receiver.requests[0].body, '{"a":1}');
});

test("credentials of an address are sent as a header, unless there is another", async (t) => {
  const receiver = await startReceiver(t);
  const url = `http://me:p%2Fw@127.0.0.1:${receiver.port}/hook`;
  await client(t).post(message(url), patience());
  const own = { ...message(url), headers: { authorization: "Bearer other" } };
  await client(t).post(own, patience());
  assert.deepEqual(
    receiver.requests.map(({ path, headers }) => [path, headers["authorization"]]),
    [
      ["/hook", `Basic ${Buffer.from("me:p/w").toString("base64")}`],
      ["/hook", "Bearer other"],
    ],
  );
});

test("a redirect is an answer and is not followed, least of all to a metadata address", async (t) => {
  const receiver = await startReceiver(t);
  const other = await startReceiver(t);
  for (const location of [`${other.url}/`, "http://169.254.169.254/latest/meta-data"]) {
    receiver.behave((_, response) => response.writeHead(307, { location }).end());
    const answer = await client(t).post(message(receiver.url), patience());
    assert.equal(answer.status, 307);
  }
  assert.equal(other.requests.length, 0);
});

test("addresses are refused when they are literals, in any spelling", async (t) => {
  const receiver = await startReceiver(t);
  const hosts = ["127.0.0.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0"];
  for (const host of hosts) {
    const refused = await failure(
      client(t, { allow: [] }).post(message(`http://${host}:${receiver.port}/`), patience()),
    );
    assert.equal(refused.reason, "address", `${host}: ${refused.message}`);
    assert.match(refused.message, /name it in allowAddresses/);
  }
  assert.equal(receiver.requests.length, 0);
});

test("every dial looks the name up and checks the very address that it dials", async (t) => {
  const receiver = await startReceiver(t);
  receiver.behave((_, response) => response.writeHead(200, { connection: "close" }).end());
  const url = `http://rebinding.test:${receiver.port}/`;
  const good = client(t, { lookup: answering("127.0.0.1", "127.0.0.2", "169.254.169.254") });
  assert.equal((await good.post(message(url), patience())).status, 200);
  for (const address of ["127.0.0.2", "169.254.169.254"]) {
    const refused = await failure(good.post(message(url), patience()));
    assert.equal(refused.reason, "address");
    assert.ok(refused.message.includes(address), refused.message);
  }
  assert.equal(receiver.requests.length, 1);
});

test("of several addresses the allowed ones are used", async (t) => {
  const receiver = await startReceiver(t);
  const lookup: Lookup = (_, callback) =>
    callback(null, [
      { address: "169.254.169.254", family: 4 },
      { address: "127.0.0.1", family: 4 },
    ]);
  const answer = await client(t, { lookup }).post(message(`http://many.test:${receiver.port}/`), patience());
  assert.equal(answer.status, 204);
});

test("only the beginning of an endless answer is read", async (t) => {
  const receiver = await startReceiver(t);
  receiver.behave((_, response) => {
    response.writeHead(200);
    const chunk = Buffer.alloc(64 * 1024, "x");
    const fill = (): void => {
      while (!response.destroyed && response.write(chunk));
    };
    response.on("drain", fill);
    fill();
  });
  const answer = await client(t).post(message(receiver.url), patience());
  assert.equal(answer.isTruncated, true);
  assert.equal(answer.body.length, RESPONSE_MAX_BYTES);
});

test("each way to fail has its reason", async (t) => {
  const receiver = await startReceiver(t);
  const garbage = createTcpServer((socket) => socket.end("HELLO THERE\r\n\r\n"));
  const garbagePort = await listenOn(garbage);
  t.after(() => garbage.close());
  receiver.behave((request, response, _, raw) => {
    if (request.path === "/reset") raw.socket.destroy();
    if (request.path === "/drip") {
      response.writeHead(200);
      const timer = setInterval(() => response.write("x"), 20);
      response.on("close", () => clearInterval(timer));
    }
    if (request.path === "/short") {
      response.writeHead(200, { "content-length": "100" });
      response.write("abc", () => raw.socket.destroy());
    }
  });
  const cases: readonly (readonly [string, HttpFailureReason])[] = [
    ["http://127.0.0.1:1/", "refused"],
    ["http://no-such-host.invalid/", "dns"],
    [`${receiver.url}/reset`, "reset"],
    [`${receiver.url}/hang`, "timeout"],
    [`${receiver.url}/drip`, "timeout"],
    [`${receiver.url}/short`, "reset"],
    [`https://127.0.0.1:${receiver.port}/`, "tls"],
    [`http://127.0.0.1:${garbagePort}/`, "protocol"],
  ];
  for (const [url, reason] of cases) {
    const signal = reason === "timeout" ? AbortSignal.timeout(300) : patience();
    const found = await failure(client(t).post(message(url), signal));
    assert.equal(found.reason, reason, `${url}: ${found.message}`);
  }
  const stop = new AbortController();
  const stopped = client(t).post(message(`${receiver.url}/hang`), stop.signal);
  setTimeout(() => stop.abort(new Error("the relay stops")), 50);
  assert.equal((await failure(stopped)).reason, "aborted");
});

test("TLS of a receiver is checked against the subscription's CA, and shown its certificate", async (t) => {
  const pki = await createPki();
  const served = await pki.issue(["localhost"]);
  const own = await pki.issue(["relay-client"]);
  const receiver = await startReceiver(t, {
    tls: { cert: served.cert, key: served.key, ca: served.ca, requestCert: true, rejectUnauthorized: true },
  });
  const url = `https://localhost:${receiver.port}/`;
  const good = client(t, { tls: { ca: pki.ca.cert, cert: own.cert, key: own.key } });
  assert.equal((await good.post(message(url), patience())).status, 204);
  const withoutCa = await failure(client(t).post(message(url), patience()));
  assert.equal(withoutCa.reason, "tls", withoutCa.message);
  const byAddress = await failure(good.post(message(`https://127.0.0.1:${receiver.port}/`), patience()));
  assert.equal(byAddress.reason, "tls", byAddress.message);
  const withoutCertificate = client(t, { tls: { ca: pki.ca.cert, cert: "", key: "" } });
  const refused = await failure(withoutCertificate.post(message(url), patience()));
  assert.ok(["tls", "reset"].includes(refused.reason), `${refused.reason}: ${refused.message}`);
});

test("a proxy is asked for a tunnel, and blamed when it fails", async (t) => {
  const pki = await createPki();
  const served = await pki.issue(["receiver.test"]);
  const receiver = await startReceiver(t, { tls: { cert: served.cert, key: served.key } });
  const asked: string[] = [];
  const proxy = createHttpServer();
  proxy.on("connect", (request, socket) => {
    asked.push(`${request.url ?? ""} ${request.headers["proxy-authorization"] ?? ""}`);
    if (request.url?.startsWith("denied") === true) {
      socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
      return;
    }
    const upstream = connectTcp(receiver.port, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      upstream.pipe(socket);
      socket.pipe(upstream);
    });
    upstream.on("error", () => socket.destroy());
    socket.on("error", () => upstream.destroy());
  });
  const proxyPort = await listenOn(proxy);
  t.after(() => {
    proxy.close();
    proxy.closeAllConnections();
  });
  const proxyUrl = `http://me:pass@127.0.0.1:${proxyPort}`;
  const through = client(t, { proxyUrl, tls: { ca: pki.ca.cert, cert: "", key: "" } });
  const answer = await through.post(message(`https://receiver.test:${receiver.port}/x`), patience());
  assert.equal(answer.status, 204);
  assert.deepEqual(asked, [`receiver.test:${receiver.port} Basic bWU6cGFzcw==`]);
  const denied = await failure(through.post(message("https://denied.test/"), patience()));
  assert.equal(denied.reason, "proxy", denied.message);
  const literal = await failure(through.post(message("http://169.254.169.254/latest"), patience()));
  assert.equal(literal.reason, "address");
  const loopbackProxy = client(t, { proxyUrl, allow: [] });
  const refused = await failure(loopbackProxy.post(message("https://receiver.test/"), patience()));
  assert.equal(refused.reason, "address", refused.message);
  const dead = client(t, { proxyUrl: "http://127.0.0.1:1" });
  const unreachable = await failure(dead.post(message("https://receiver.test/"), patience()));
  assert.equal(unreachable.reason, "proxy", unreachable.message);
});
