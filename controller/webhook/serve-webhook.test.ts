import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { request } from "node:https";
import { text as readText } from "node:stream/consumers";
import { connect } from "node:tls";
import { join } from "node:path";
import { afterEach, beforeEach, suite, test } from "node:test";

import { Registry } from "prom-client";

import { silentLogger } from "../../lib/log.ts";
import { createCleanup, type Cleanup } from "../../test/harness/cleanup.ts";
import { createPki, type Pki } from "../../test/harness/pki.ts";
import { asObject } from "../objects/json.ts";
import { REQUEST_MAX_BYTES } from "./limits.ts";
import { serveWebhook, type ServedWebhook } from "./serve-webhook.ts";
import { startWebhookServer } from "./webhook-server.ts";

const HOST = "tote-webhook.tote.svc";
const SIGNAL = new AbortController().signal;

void suite("the validating webhook's server", () => {
  let cleanup: Cleanup;
  let pki: Pki;
  let registry: Registry;
  let webhook: ServedWebhook;
  let directory: string;

  beforeEach(async () => {
    cleanup = createCleanup();
    pki = await createPki("CA of the release");
    registry = new Registry();
    directory = cleanup.directory();
    const { cert, key, ca } = await pki.issue([HOST]);
    const tls = { cert: join(directory, "c"), key: join(directory, "k"), ca: join(directory, "ca") };
    await Promise.all([writeFile(tls.cert, cert), writeFile(tls.key, key), writeFile(tls.ca, ca)]);
    const listen = { host: "127.0.0.1", port: 0 };
    webhook = await serveWebhook({ listen, tls }, { registry, logger: silentLogger }, SIGNAL);
    cleanup.add({ name: "close the webhook", undo: () => webhook.close() });
  });
  afterEach(() => cleanup.run());

  /** As the API server does: verifies the name of the Service. */
  async function post(
    body: string | Uint8Array,
    path = "/validate?timeout=2s",
  ): Promise<readonly [number, string]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly [number, string]>();
    const sent = request(
      {
        host: "127.0.0.1",
        port: webhook.port,
        path,
        method: "POST",
        ca: pki.ca.cert,
        servername: HOST,
        headers: { "content-type": "application/json" },
        agent: false,
      },
      (response) => {
        readText(response).then((answer) => resolve([response.statusCode ?? 0, answer]), reject);
      },
    );
    sent.on("error", reject);
    sent.end(body);
    return promise;
  }

  const review = (annotations: object): string =>
    JSON.stringify({
      apiVersion: "admission.k8s.io/v1",
      kind: "AdmissionReview",
      request: {
        uid: "u",
        operation: "CREATE",
        kind: { kind: "Pod" },
        object: { metadata: { annotations } },
      },
    });

  void test("it answers what the API server asks, and counts", async () => {
    const [status, text] = await post(review({ "tote.dev/priority": "urgent" }));
    assert.equal(status, 200);
    const response = asObject(asObject(JSON.parse(text))["response"]);
    assert.deepEqual([response["uid"], response["allowed"]], ["u", false]);
    await post(review({}));
    const metrics = await registry.metrics();
    assert.match(metrics, /^tote_webhook_requests_total\{result="denied"\} 1$/m);
    assert.match(metrics, /^tote_webhook_requests_total\{result="allowed"\} 1$/m);
  });

  void test("what is no review is refused, whatever it is", async () => {
    assert.equal((await post("{"))[0], 400);
    assert.equal((await post("{}"))[0], 400);
    assert.equal((await post(review({}), "/"))[0], 404);
    assert.match(await registry.metrics(), /^tote_webhook_requests_total\{result="malformed"\} 3$/m);
    assert.equal((await post(review({})))[0], 200);
  });

  void test("a request that is too large is refused, and the next one answered", async () => {
    const answer = await post(new Uint8Array(REQUEST_MAX_BYTES + 1)).catch((error: unknown) => error);
    // the connection may be gone before the client has sent everything
    assert.ok(answer instanceof Error || (Array.isArray(answer) && answer[0] === 413), String(answer));
    assert.equal((await post(review({})))[0], 200);
  });

  void test("a renewed certificate is used without a restart", async () => {
    const other = await pki.issue([HOST, "renewed"]);
    const server = await startWebhookServer({
      host: "127.0.0.1",
      port: 0,
      material: await pki.issue([HOST]),
      registry: new Registry(),
      logger: silentLogger,
    });
    cleanup.add({ name: "close the server", undo: () => server.close() });
    server.updateTls(other);
    const names = await namesOf(server.port);
    assert.match(names, /renewed/);
  });

  async function namesOf(port: number): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const socket = connect({ host: "127.0.0.1", port, ca: pki.ca.cert, servername: HOST }, () => {
      resolve(String(socket.getPeerCertificate().subjectaltname));
      socket.destroy();
    });
    socket.on("error", reject);
    return promise;
  }

  void test("a port that is taken stops the start and names the flag", async () => {
    const { port } = webhook;
    const again = serveWebhook(
      {
        listen: { host: "127.0.0.1", port },
        tls: { cert: join(directory, "c"), key: join(directory, "k"), ca: join(directory, "ca") },
      },
      { registry: new Registry(), logger: silentLogger },
      SIGNAL,
    );
    await assert.rejects(
      again,
      /cannot serve the webhook on 127\.0\.0\.1:\d+: .+ choose another --webhook-listen/,
    );
  });
});
