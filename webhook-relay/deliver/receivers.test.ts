import assert from "node:assert/strict";
import { createServer as createTcpServer, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import type { TlsOptions } from "node:tls";

import { ensureReflectMetadata } from "../../lib/reflect-metadata.ts";
import { createMovingClock, type MovingClock } from "../../test/harness/moving-clock.ts";
import { createPki } from "../../test/harness/pki.ts";
import { waitFor } from "../../test/harness/wait.ts";
import { testEvent } from "../event/testing.ts";
import { EXCERPT_MAX_CHARS, RETRY_AFTER_MAX_MS, THROTTLE_PAUSE_MS } from "../limits.ts";
import type { Lookup } from "../net/connect.ts";
import type { AttemptView, DeliveryView } from "../store/views.ts";
import { listenOn, startReceiver } from "../testing/receiver.ts";
import { startRig, type Rig, type RigOptions } from "../testing/relay-rig.ts";

const DAY_MS = 24 * 3_600_000;
const PATIENCE = { timeoutMs: 60_000 };

/** A relay with one subscription. */
async function rigFor(
  t: TestContext,
  url: string,
  more: string,
  options: Partial<RigOptions> = {},
): Promise<Rig> {
  const line = `{name: one, type: webhook, url: "${url}", secretFiles: key, allowAddresses: 127.0.0.1, ${more}}`;
  return await startRig(t, { config: `subscriptions: [${line}]`, ...options });
}

async function ended(rig: Rig, id = 1): Promise<DeliveryView> {
  const find = (): DeliveryView | false => {
    const delivery = rig.relay.control.delivery(id);
    return delivery?.endedAt !== undefined && delivery;
  };
  return await waitFor(`delivery ${id} to end`, find, PATIENCE);
}

async function attempt(rig: Rig, number: number): Promise<AttemptView> {
  const find = (): AttemptView | undefined => rig.relay.control.attempts(1)[number - 1];
  return await waitFor(`attempt ${number}`, find, PATIENCE);
}

test("a connection that is reset costs one attempt, and the next one arrives", async (t) => {
  const receiver = await startReceiver(t);
  receiver.behave((_, response, number, raw) => {
    if (number === 1) raw.socket.resetAndDestroy();
    else response.writeHead(204).end();
  });
  const rig = await rigFor(t, receiver.url, "retry: {schedule: [0s, 10ms]}");
  await rig.post(testEvent());
  assert.equal((await ended(rig)).state, "delivered");
  const found = rig.relay.control.attempts(1).map(({ outcome, reason }) => [outcome, reason]);
  assert.deepEqual(found, [
    ["retry", "reset"],
    ["delivered", ""],
  ]);
});

test("an answer whose head comes byte by byte is not waited for beyond the timeout", async (t) => {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    const head = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    let sent = 0;
    const timer = setInterval(() => {
      socket.write(head.charAt(sent));
      sent += 1;
    }, 1000);
    socket.on("error", () => undefined);
    socket.on("close", () => clearInterval(timer));
  });
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const port = await listenOn(server);
  const rig = await rigFor(t, `http://127.0.0.1:${port}/`, "timeout: 1500ms, retry: {schedule: [0s]}");
  await rig.post(testEvent());
  const dead = await ended(rig);
  assert.deepEqual([dead.state, dead.reason], ["dead", "timeout"]);
});

test("of an answer of 10 GB no more is taken than fits into buffers", async (t) => {
  const size = 10 * 1024 ** 3;
  const receiver = await startReceiver(t);
  let written = 0;
  let isCut = false;
  receiver.behave((_, response) => {
    response.writeHead(200, { "content-length": size });
    response.on("close", () => (isCut = true));
    const chunk = Buffer.alloc(65_536, "x");
    const fill = (): void => {
      let hasRoom = true;
      while (hasRoom && !response.destroyed && written < size) {
        hasRoom = response.write(chunk);
        written += chunk.length;
      }
    };
    response.on("drain", fill);
    fill();
  });
  const rig = await rigFor(t, receiver.url, "retry: {schedule: [0s]}");
  await rig.post(testEvent());
  assert.equal((await ended(rig)).state, "delivered");
  await waitFor("the connection to be cut", () => isCut, PATIENCE);
  assert.ok(written < 64 * 1024 ** 2, `${written} bytes were written`);
  assert.equal((await attempt(rig, 1)).excerpt.length, EXCERPT_MAX_CHARS);
});

test("a receiver with a certificate that cannot be trusted gets nothing, and the reason is TLS", async (t) => {
  const [pki, others] = [await createPki(), await createPki()];
  const past = { notBefore: Date.now() - 2 * DAY_MS, notAfter: Date.now() - DAY_MS };
  const foreign = await others.issue(["localhost"]);
  const cases: readonly (readonly [what: string, tls: TlsOptions])[] = [
    ["wrong name", await pki.issue(["elsewhere.example"])],
    ["expired", await pki.issue(["localhost"], past)],
    ["signed by itself", await selfSigned("localhost")],
    ["another CA", foreign],
    ["another CA, shown", { ...foreign, cert: foreign.cert + others.ca.cert }],
    ["a CA's own", { cert: pki.ca.cert, key: pki.ca.key }],
  ];
  for (const [what, tls] of cases) {
    const receiver = await startReceiver(t, { tls });
    const rig = await rigFor(
      t,
      `https://localhost:${receiver.port}/`,
      "tls: {ca: ca.pem}, retry: {schedule: [0s]}",
      { files: { "ca.pem": pki.ca.cert } },
    );
    await rig.post(testEvent());
    const dead = await ended(rig);
    assert.deepEqual([dead.state, dead.reason], ["dead", "tls"], `${what}: ${dead.message}`);
    assert.equal(receiver.requests.length, 0, what);
  }
});

/** A server's certificate that nobody but itself vouches for. */
async function selfSigned(name: string): Promise<{ readonly cert: string; readonly key: string }> {
  ensureReflectMetadata();
  const { ExtendedKeyUsageExtension, PemConverter, X509CertificateGenerator } =
    await import("@peculiar/x509");
  const signingAlgorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await crypto.subtle.generateKey(signingAlgorithm, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Date.now() + DAY_MS),
    signingAlgorithm,
    keys,
    extensions: [new ExtendedKeyUsageExtension(["1.3.6.1.5.5.7.3.1"])],
  });
  const pkcs8 = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  return { cert: certificate.toString("pem"), key: PemConverter.encode(pkcs8, "PRIVATE KEY") };
}

test("a name that turns to a metadata address between two attempts is not dialled there", async (t) => {
  const receiver = await startReceiver(t);
  receiver.behave((_, response, number) =>
    response.writeHead(number === 1 ? 503 : 204, { connection: "close" }).end(),
  );
  const addresses = ["127.0.0.1", "169.254.169.254", "127.0.0.1"];
  const asked: string[] = [];
  const lookup: Lookup = (hostname, callback) => {
    const address = addresses[asked.push(hostname) - 1] ?? "127.0.0.1";
    callback(null, [{ address, family: 4 }]);
  };
  const network = { refusePrivate: false, alsoRefuse: [], lookup };
  const url = `http://rebinding.test:${receiver.port}/`;
  const rig = await rigFor(t, url, "retry: {schedule: [0s, 10ms, 10ms]}", { network });
  await rig.post(testEvent());
  assert.equal((await ended(rig)).state, "delivered");
  const found = rig.relay.control.attempts(1);
  assert.deepEqual(
    found.map(({ reason }) => reason),
    ["5xx", "address", ""],
  );
  assert.match(found[1]?.message ?? "", /169\.254\.169\.254/);
  assert.deepEqual(asked, ["rebinding.test", "rebinding.test", "rebinding.test"]);
});

test("a name that nobody can look up is asked for once at a time, whoever waits for it", async (t) => {
  const receiver = await startReceiver(t);
  const asked: string[] = [];
  const lookup: Lookup = (hostname) => void asked.push(hostname);
  const lines = ["one", "two"].map(
    (name) =>
      `{name: ${name}, type: webhook, url: "http://slow.test:${receiver.port}/", secretFiles: key,
        timeout: 1s, retry: {schedule: [0s, 10ms]}}`,
  );
  const network = { refusePrivate: false, alsoRefuse: [], lookup };
  const rig = await startRig(t, { config: `subscriptions: [${lines.join(", ")}]`, network });
  await rig.post(["a", "b"].map((id) => testEvent({ id })));
  for (const id of [1, 2, 3, 4]) assert.equal((await ended(rig, id)).reason, "timeout");
  assert.deepEqual(asked, ["slow.test"]);
});

test("429 is heeded in each form of Retry-After, and costs no attempt", async (t) => {
  const cases: readonly (readonly [value: string | undefined, pauseMs: number])[] = [
    ["120", 120_000],
    [httpDates(3_600_000).fixed, 3_600_000],
    [httpDates(3_600_000).rfc850, 3_600_000],
    [httpDates(3_600_000).asctime, 3_600_000],
    ["999999999999", RETRY_AFTER_MAX_MS],
    ["-5", THROTTLE_PAUSE_MS],
    ["soon", THROTTLE_PAUSE_MS],
    [undefined, THROTTLE_PAUSE_MS],
  ];
  for (const [value, pauseMs] of cases) await throttled(t, value, pauseMs);
});

/** The three forms of dates that HTTP knows (RFC 9110, 5.6.7), so many milliseconds from now. */
function httpDates(fromNowMs: number): Readonly<Record<"fixed" | "rfc850" | "asctime", string>> {
  const time = new Date(Date.now() + fromNowMs);
  const fixed = time.toUTCString();
  const [day = "", date = "", month = "", year = "", clockTime = ""] = fixed.replace(",", "").split(" ");
  const longDay = time.toLocaleDateString("en-US", { weekday: "long", timeZone: "UTC" });
  return {
    fixed,
    rfc850: `${longDay}, ${date}-${month}-${year.slice(2)} ${clockTime} GMT`,
    asctime: `${day} ${month} ${date.replace(/^0/, " ")} ${clockTime} ${year}`,
  };
}

/** A receiver that answers 429 once gets nothing until the pause is over, then everything. */
async function throttled(t: TestContext, value: string | undefined, pauseMs: number): Promise<void> {
  const what = `Retry-After: ${value ?? "none"}`;
  const receiver = await startReceiver(t);
  receiver.behave((_, response, number) => {
    const headers = value === undefined ? {} : { "retry-after": value };
    response.writeHead(number === 1 ? 429 : 204, headers).end();
  });
  const clock = createMovingClock();
  const rig = await rigFor(t, receiver.url, "retry: {schedule: [0s]}", { clock });
  await rig.post(testEvent({ id: "a" }));
  await attempt(rig, 1);
  await rig.post(testEvent({ id: "b" }));
  const leftMs = pauseLeft(rig, clock);
  // the machine is slow at times, and dates know no milliseconds
  assert.ok(leftMs <= pauseMs + 1000 && leftMs > pauseMs - 60_000, `${what}: ${leftMs} ms left`);
  assert.ok(leftMs > 0 || pauseMs === THROTTLE_PAUSE_MS, `${what}: ${leftMs} ms left`);
  clock.skip(Math.max(0, leftMs + 1));
  for (const id of [1, 2]) assert.equal((await ended(rig, id)).state, "delivered", what);
  assert.deepEqual(receiver.ids().toSorted(), ["a", "a", "b"], what);
  await rig.stop();
}

function pauseLeft(rig: Rig, clock: MovingClock): number {
  const until = rig.relay.control.subscriptions()[0]?.health.pausedUntil;
  return until === undefined ? 0 : until - clock.now();
}
