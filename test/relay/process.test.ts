import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { request as httpsRequest } from "node:https";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";

import { ROLES } from "../../lib/roles.ts";
import { testEvent } from "../../webhook-relay/event/testing.ts";
import { startReceiver } from "../../webhook-relay/testing/receiver.ts";
import { createCleanup } from "../harness/cleanup.ts";
import { parseMetrics } from "../harness/metrics.ts";
import { createPki } from "../harness/pki.ts";
import { waitFor } from "../harness/wait.ts";
import { RELAY_TOKENS, startRelayProcess } from "./relay-process.ts";

const NOWHERE =
  'subscriptions: [{name: one, type: webhook, url: "http://127.0.0.1:1/", allowAddresses: 127.0.0.1}]';

test("the relay starts, delivers, tells its metrics well-formed, and ends in order", async (t) => {
  const cleanup = createCleanup(t);
  const receiver = await startReceiver(t);
  const relay = await startRelayProcess({
    cleanup,
    config: `subscriptions: [{name: one, type: webhook, url: "${receiver.url}/", allowAddresses: 127.0.0.1}]`,
  });
  assert.equal((await relay.post(testEvent())).status, 202);
  await waitFor("the delivery", () => receiver.requests.length === 1);
  const families = parseMetrics(
    await waitFor("the count", async () => {
      const text = await relay.metrics();
      return text.includes('deliveries_ended_total{subscription="one",state="delivered"} 1') && text;
    }),
  );
  assert.ok(families.has("tote_relay_queue_depth"));
  await relay.kill("SIGTERM");
  assert.deepEqual(await relay.exited, { code: 0, signal: null });
  assert.match(relay.logs(), /"msg":"relay stopped"/);
});

test("a second relay on the same store ends with the reason, the first goes on", async (t) => {
  const cleanup = createCleanup(t);
  const first = await startRelayProcess({ cleanup, config: NOWHERE });
  const second = await startRelayProcess({
    cleanup,
    config: NOWHERE,
    directory: join(cleanup.directory(), "second"),
    dataDir: first.dataDir,
    isReady: false,
  });
  assert.equal((await second.exited).code, 1);
  assert.match(second.logs(), /^tote webhook-relay: .*relay\.db is in use by another process/m);
  assert.equal((await first.post(testEvent())).status, 202);
});

test("a configuration that cannot be used stops the start, but not a relay that runs", async (t) => {
  const cleanup = createCleanup(t);
  const bad = "subscriptions: [{name: one, type: webhook, url: 'http://x/', timeout: soon}]";
  const broken = await startRelayProcess({ cleanup, config: bad, isReady: false });
  assert.equal((await broken.exited).code, 1);
  assert.match(broken.logs(), /relay\.yaml: subscriptions\[0\]\.timeout: "soon", must be a duration/);
  const relay = await startRelayProcess({ cleanup, config: NOWHERE });
  relay.write({ "relay.yaml": bad });
  const name = "tote_relay_config_last_reload_successful";
  await waitFor("the gauge", async () => (await relay.metrics()).includes(`${name} 0`));
  assert.equal((await relay.post(testEvent())).status, 202);
  const { deliveries } = await (await relay.get("/v1/deliveries")).json();
  assert.equal(deliveries.length, 1, "the old configuration is in force");
  relay.write({ "relay.yaml": `${NOWHERE}\n` });
  await waitFor("the gauge", async () => (await relay.metrics()).includes(`${name} 1`));
});

test("tokens change without a restart, both values of a file are valid meanwhile", async (t) => {
  const cleanup = createCleanup(t);
  const relay = await startRelayProcess({ cleanup, config: NOWHERE });
  const statusWith = async (token: string): Promise<number> =>
    (await fetch(`${relay.url}/v1/events`, { headers: { authorization: `Bearer ${token}` } })).status;
  assert.equal(await statusWith("the-next-read-token"), 401);
  relay.write({ "read-token": `${RELAY_TOKENS.read}\nthe-next-read-token\n` });
  await waitFor("the new token", async () => (await statusWith("the-next-read-token")) === 200);
  assert.equal(await statusWith(RELAY_TOKENS.read), 200);
  relay.write({ "read-token": "the-next-read-token\n" });
  await waitFor("the end of the old token", async () => (await statusWith(RELAY_TOKENS.read)) === 401);
  assert.equal(await statusWith("the-next-read-token"), 200);
});

test("over TLS it shows the certificate of now, and takes events only from the controller when told so", async (t) => {
  const cleanup = createCleanup(t);
  const pki = await createPki();
  const directory = join(cleanup.directory(), "relay");
  const served = await pki.issue([ROLES.relay, "localhost"]);
  await pki.write(directory, served);
  const relay = await startRelayProcess({
    cleanup,
    config: NOWHERE,
    directory,
    scheme: "https",
    args: [
      `--tls-cert=${join(directory, "tls.crt")}`,
      `--tls-key=${join(directory, "tls.key")}`,
      `--tls-ca=${join(directory, "ca.crt")}`,
      "--require-client-cert",
    ],
  });
  const port = Number(new URL(relay.url).port);
  const statusAs = async (role: keyof typeof ROLES | undefined): Promise<number> => {
    const own = role === undefined ? undefined : await pki.role(ROLES[role]);
    return await new Promise((resolve, reject) => {
      const request = httpsRequest(
        {
          host: "127.0.0.1",
          port,
          path: "/v1/events",
          method: "POST",
          servername: ROLES.relay,
          ca: pki.ca.cert,
          agent: false,
          ...(own !== undefined && { cert: own.cert, key: own.key }),
          headers: { authorization: `Bearer ${RELAY_TOKENS.ingest}` },
        },
        (response) => resolve(response.resume().statusCode ?? 0),
      );
      request.on("error", reject);
      request.end(JSON.stringify(testEvent()));
    });
  };
  assert.equal(await statusAs("controller"), 202);
  assert.equal(await statusAs("agent"), 403);
  assert.equal(await statusAs(undefined), 403);
  // browsers have no certificate; their cookie never leaves TLS
  const cookie = await new Promise<string>((resolve, reject) => {
    const request = httpsRequest(
      {
        host: "127.0.0.1",
        port,
        path: "/login",
        method: "POST",
        servername: ROLES.relay,
        ca: pki.ca.cert,
        agent: false,
        headers: { "sec-fetch-site": "same-origin", "content-type": "application/x-www-form-urlencoded" },
      },
      (response) => resolve(response.resume().headers["set-cookie"]?.join() ?? ""),
    );
    request.on("error", reject);
    request.end(new URLSearchParams({ token: RELAY_TOKENS.read }).toString());
  });
  assert.match(cookie, /^__Host-tote-relay=[^;]+; .*Secure/);
  const serialNow = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connectTls({ host: "127.0.0.1", port, servername: ROLES.relay, ca: pki.ca.cert }, () => {
        resolve(socket.getPeerCertificate().serialNumber);
        socket.destroy();
      });
      socket.on("error", reject);
    });
  const before = await serialNow();
  await pki.write(directory, await pki.issue([ROLES.relay]));
  await waitFor("the new certificate", async () => (await serialNow()) !== before);
});

test("a store that was broken is set aside, reported, and the relay works", async (t) => {
  const cleanup = createCleanup(t);
  const first = await startRelayProcess({ cleanup, config: NOWHERE });
  await first.stop();
  writeFileSync(join(first.dataDir, "relay.db"), "garbage".repeat(10_000));
  const second = await startRelayProcess({ cleanup, config: NOWHERE });
  assert.equal((await second.post(testEvent())).status, 202);
  assert.match(await second.metrics(), /tote_relay_store_set_aside_total 1/);
  assert.match(second.logs(), /"level":"error".*"msg":"the store was broken: it was set aside/);
});

test("with 100,000 deliveries due it is ready within 3 seconds", async (t) => {
  const cleanup = createCleanup(t);
  const begun = performance.now();
  const first = await startRelayProcess({ cleanup, config: NOWHERE });
  const empty = performance.now() - begun;
  await first.stop();
  const database = new DatabaseSync(join(first.dataDir, "relay.db"));
  const body = JSON.stringify(testEvent()).replace(testEvent().id, "");
  database.exec(`
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
    INSERT INTO events (id, type, namespace, severity, incident, time, accepted_at, digest, body)
      SELECT 'waits-' || i, 'tote.image.detected', 'shop', 'warning', 'x', '2026-01-31T12:00:00.000Z',
        ${Date.now()}, x'00', replace('${body}', '"id":""', '"id":"waits-' || i || '"') FROM n;
    INSERT INTO deliveries (event_seq, subscription, state, created_at, age_from, due_at)
      SELECT seq, 'one', 'pending', accepted_at, accepted_at, accepted_at FROM events`);
  database.close();
  const started = performance.now();
  const second = await startRelayProcess({ cleanup, config: NOWHERE });
  const passed = performance.now() - started;
  t.diagnostic(`ready after ${Math.round(passed)} ms, with an empty store after ${Math.round(empty)} ms`);
  // nobody is there to take them: some are under way, none is gone
  const depths = (await second.metrics()).matchAll(/queue_depth\{subscription="one",state="\w+"\} (\d+)/g);
  assert.equal(
    [...depths].map(([, depth]) => Number(depth)).reduce((sum, depth) => sum + depth, 0),
    100_000,
  );
  // on a machine that is busy with other things, even a start with nothing takes long
  assert.ok(passed < Math.max(3000, 8 * empty), `${passed} ms against ${empty} ms`);
  rmSync(second.dataDir, { recursive: true });
});

test("a port that is in use ends the start at once, with its reason and nothing left open", async (t) => {
  const cleanup = createCleanup(t);
  const first = await startRelayProcess({ cleanup, config: NOWHERE });
  const second = await startRelayProcess({
    cleanup,
    config: NOWHERE,
    directory: join(cleanup.directory(), "second"),
    args: [`--listen=${new URL(first.url).host}`],
    isReady: false,
  });
  assert.deepEqual(await second.exited, { code: 1, signal: null });
  assert.match(
    second.logs(),
    /cannot serve events and the page on 127\.0\.0\.1:\d+: .+ choose another --listen/,
  );
});
