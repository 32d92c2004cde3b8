import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

import { waitFor } from "../../test/harness/wait.ts";
import { testEvent } from "../event/testing.ts";
import { startReceiver } from "../testing/receiver.ts";
import { startRig, TEST_TOKENS, type Rig } from "../testing/relay-rig.ts";
import { openApiDocument } from "./document.ts";
import { schemas } from "./schemas.ts";

interface Operation {
  readonly tags?: readonly string[];
  readonly security: readonly Readonly<Record<string, unknown>>[];
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: object }>> }>
  >;
}
type Paths = Readonly<Record<string, Readonly<Record<string, Operation>>>>;

const ED25519_KEY =
  "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";

function paths(): Paths {
  // as a client gets it
  const document: { readonly paths: Paths } = JSON.parse(JSON.stringify(openApiDocument()));
  return document.paths;
}

function operations(): readonly {
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
}[] {
  return Object.entries(paths()).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
}

/** Operations for programs: with tokens and JSON. */
function apiOperations(): ReturnType<typeof operations> {
  return operations().filter(({ operation }) => operation.tags?.includes("page") !== true);
}

function validatorOf(schema: object): ValidateFunction {
  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, allErrors: true });
  addFormats.default(ajv);
  // ajv knows JSON Schema, not OpenAPI: schemas stand beside the one that refers to them
  const whole = JSON.stringify({ ...schema, $defs: schemas });
  return ajv.compile(JSON.parse(whole.replaceAll("#/components/schemas/", "#/$defs/")));
}

async function rigWithEverything(t: TestContext): Promise<Rig> {
  const receiver = await startReceiver(t);
  const webhook = `type: webhook, secretFiles: key, allowAddresses: 127.0.0.1`;
  return await startRig(t, {
    files: { ed: ED25519_KEY },
    config: `subscriptions:
  - {name: good, ${webhook}, url: "${receiver.url}/hook", group: {interval: 1s}, rateLimit: 100/s}
  - {name: bad, ${webhook}, url: "http://127.0.0.1:1/", retry: {schedule: [0s]}, format: cloudevents}
  - {name: signed, type: webhook, secretFiles: ed, url: "${receiver.url}/", allowAddresses: 127.0.0.1}
  - {name: elsewhere, ${webhook}, url: "${receiver.url}/", namespaces: elsewhere, severity: critical}`,
  });
}

test("every route of the app is in the document, and the document has no others", async (t) => {
  const { relay } = await startRig(t, { config: "" });
  const routes = relay.app.routes
    .filter(({ method }) => method !== "ALL")
    .map(({ method, path }) => `${method} ${path.replaceAll(/\/:(\w+)/g, "/{$1}")}`);
  assert.deepEqual(
    [...new Set(routes)].toSorted(),
    operations()
      .map(({ method, path }) => `${method} ${path}`)
      .toSorted(),
  );
});

test("the document says truly which tokens each route takes", async (t) => {
  const { relay } = await startRig(t, { config: "" });
  for (const { method, path, operation } of apiOperations()) {
    const allowed = operation.security.flatMap((one) => Object.keys(one));
    const ask = async (token: string | undefined): Promise<number> => {
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const { status } = await relay.app.request(path.replaceAll(/\{\w+\}/g, "1"), { method, headers });
      return status;
    };
    const isOpen = allowed.length === 0;
    for (const token of [undefined, "unknown"]) {
      assert.equal((await ask(token)) === 401, !isOpen, `${method} ${path} with ${token ?? "no token"}`);
    }
    for (const [role, token] of Object.entries(TEST_TOKENS)) {
      const refused = !isOpen && !allowed.includes(role);
      assert.equal((await ask(token)) === 403, refused, `${method} ${path} as ${role}`);
    }
  }
});

test("what the document calls a page sends whoever has not logged in to the form", async (t) => {
  const { relay } = await startRig(t, { config: "" });
  const pages = operations().filter(({ operation }) => operation.security.some((one) => "session" in one));
  assert.ok(pages.length > 5);
  for (const { method, path } of pages) {
    const answer = await relay.app.request(path.replaceAll(/\{\w+\}/g, "1"), {
      method,
      headers: { "sec-fetch-site": "same-origin" },
    });
    assert.equal(answer.status, 303, `${method} ${path}`);
    assert.match(answer.headers.get("location") ?? "", /^\/login/, `${method} ${path}`);
  }
});

test("every answer is as the document describes it", async (t) => {
  const rig = await rigWithEverything(t);
  const seen = new Set<string>();
  const validators = new Map<object, ValidateFunction>();
  const described = paths();
  /** Asks, holds the answer against the schema of its status, and gives its JSON. */
  async function ask(method: string, template: string, options: Ask = {}): Promise<Answer> {
    const { id = "", query = "", token = TEST_TOKENS.admin, body } = options;
    const path = template.replace(/\{\w+\}/, String(id));
    const response = await rig.relay.app.request(`${path}${query}`, {
      method,
      headers: { authorization: `Bearer ${token}` },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const expected = described[template]?.[method.toLowerCase()]?.responses[response.status];
    assert.ok(expected !== undefined, `${method} ${path} answered ${response.status}: ${text}`);
    seen.add(`${method} ${template} ${response.status}`);
    const schema = expected.content?.["application/json"]?.schema;
    if (schema === undefined) return {};
    const validate = validators.get(schema) ?? validatorOf(schema);
    validators.set(schema, validate);
    const answer: Answer = JSON.parse(text);
    assert.ok(
      validate(answer),
      `${method} ${path}: ${JSON.stringify(validate.errors, undefined, 1)} in ${text}`,
    );
    return answer;
  }

  const ingest = { token: TEST_TOKENS.ingest };
  const events = Array.from({ length: 4 }, (_, at) => testEvent({ id: `e${at}` }));
  await ask("POST", "/v1/events", { ...ingest, body: events[0] });
  await ask("POST", "/v1/events", { ...ingest, body: events });
  await ask("POST", "/v1/events", { ...ingest, body: events });
  await ask("POST", "/v1/events", { ...ingest, body: { id: "." } });
  await ask("POST", "/v1/events", { ...ingest, body: "x".repeat(300_000) });
  await waitFor("a dead letter", async () => {
    const { deliveries } = await ask("GET", "/v1/deliveries", { query: "?state=dead&subscription=bad" });
    return deliveries?.length === 4;
  });
  await ask("GET", "/v1/events");
  await ask("GET", "/v1/events", { query: "?limit=2&type=tote.*" });
  await ask("GET", "/v1/events", { query: "?limit=many" });
  await ask("GET", "/v1/events/{id}", { id: "e0" });
  await ask("GET", "/v1/events/{id}", { id: "none" });
  await ask("GET", "/v1/deliveries", { query: "?limit=1" });
  await ask("GET", "/v1/deliveries", { query: "?state=lost" });
  await ask("GET", "/v1/deliveries/{id}", { id: 1 });
  await ask("GET", "/v1/deliveries/{id}", { id: 99 });
  await ask("GET", "/v1/subscriptions");
  await ask("GET", "/v1/subscriptions/{name}", { id: "good" });
  await ask("GET", "/v1/subscriptions/{name}", { id: "none" });
  await ask("POST", "/v1/subscriptions/{name}/disable", { id: "bad", body: { reason: "maintenance" } });
  await ask("POST", "/v1/subscriptions/{name}/disable", { id: "bad", body: { colour: "red" } });
  await ask("POST", "/v1/subscriptions/{name}/disable", { id: "none" });
  await ask("POST", "/v1/subscriptions/{name}/test", { id: "bad" });
  await ask("POST", "/v1/subscriptions/{name}/test", { id: "none" });
  await ask("POST", "/v1/subscriptions:match", { body: testEvent() });
  await ask("POST", "/v1/subscriptions:match", { body: {} });
  await ask("POST", "/v1/subscriptions/{name}/enable", { id: "bad" });
  await ask("POST", "/v1/subscriptions/{name}/enable", { id: "none" });
  await ask("POST", "/v1/subscriptions/{name}/enable", { id: "bad", body: [] });
  const { deliveries = [] } = await ask("GET", "/v1/deliveries", { query: "?state=dead" });
  await ask("POST", "/v1/deliveries/{id}/redeliver", { id: deliveries[0]?.id ?? 0 });
  await ask("POST", "/v1/deliveries/{id}/redeliver", { id: 99 });
  await ask("POST", "/v1/replays", {
    body: { type: "tote.image.*", since: "2020-01-01", ratePerSecond: 0.5 },
  });
  await ask("POST", "/v1/replays", { body: {} });
  await ask("GET", "/v1/replays");
  await ask("GET", "/v1/replays", { query: "?cursor=!" });
  await ask("GET", "/v1/replays/{id}", { id: 1 });
  await ask("GET", "/v1/replays/{id}", { id: 99 });
  await ask("POST", "/v1/replays/{id}/cancel", { id: 1 });
  await ask("POST", "/v1/replays/{id}/cancel", { id: 1 });
  await ask("POST", "/v1/replays/{id}/cancel", { id: 99 });
  await ask("GET", "/openapi.json");
  await ask("GET", "/.well-known/webhook-keys.json");
  await ask("GET", "/healthz");
  await ask("GET", "/readyz");
  rig.relay.retire();
  await ask("GET", "/readyz");
  for (const { method, path } of apiOperations()) {
    const token = method === "POST" && path === "/v1/events" ? TEST_TOKENS.read : TEST_TOKENS.ingest;
    if (path.startsWith("/v1/")) {
      await ask(method, path, { id: 1, token });
      await ask(method, path, { id: 1, token: "unknown" });
    }
  }

  const promised = apiOperations().flatMap(({ method, path, operation }) =>
    Object.keys(operation.responses).map((status) => `${method} ${path} ${status}`),
  );
  // a store that is gone, an attempt that is under way, a body past the limit and a lost token for the document have tests of their own
  const elsewhere = / 503$| 409$| 413$|openapi\.json 40[13]$/;
  assert.deepEqual(
    promised.filter((one) => !seen.has(one) && !elsewhere.test(one)),
    [],
    "answers that no request led to",
  );
});

interface Ask {
  readonly id?: string | number;
  readonly query?: string;
  readonly token?: string;
  readonly body?: unknown;
}

interface Answer {
  readonly deliveries?: readonly { readonly id: number }[];
}
