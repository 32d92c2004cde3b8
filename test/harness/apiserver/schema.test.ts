import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";

import { createCleanup } from "../cleanup.ts";
import { WIDGETS } from "./crd.fixture.ts";
import { ask, eventually, openWatch, type Answer } from "./http.fixture.ts";
import { asJson } from "./json.ts";
import { checkSchema } from "./schema.ts";
import { createApiServer } from "./server.ts";
import type { ApiServer } from "./types.ts";

const PATH = "/apis/example.test/v1/namespaces/shop/widgets";
const DIGEST = `sha256:${"a".repeat(64)}`;

function widget(spec: object = {}, status?: object) {
  return {
    apiVersion: "example.test/v1",
    kind: "Widget",
    metadata: { name: "w" },
    spec: { digest: DIGEST, ...spec },
    ...(status !== undefined && { status }),
  };
}

describe("custom resources", () => {
  const cleanup = createCleanup();
  let server: ApiServer;
  before(async () => {
    server = await createApiServer({ cleanup, crds: [WIDGETS] });
    server.put({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
  });
  beforeEach(() => server.delete("widgets", "shop/w"));
  after(() => cleanup.run());

  const create = (body: object): Promise<Answer> => ask(server, "POST", PATH, body);

  test("a definition can be read, is established, and its objects are listed with their kind", async () => {
    const path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.test";
    const { body } = await ask(server, "GET", path);
    const conditions = asJson(body["status"])["conditions"];
    assert.ok(Array.isArray(conditions));
    assert.ok(conditions.some((condition: unknown) => asJson(condition)["type"] === "Established"));
    await create(widget());
    const list = await ask(server, "GET", "/apis/example.test/v1/widgets");
    assert.equal(list.body["kind"], "WidgetList");
    const { items } = list.body;
    assert.ok(Array.isArray(items));
    assert.equal(asJson(items[0])["kind"], "Widget");
  });

  test("a status that comes with a new object is left out, unknown fields are, and defaults are put in", async () => {
    const { status, body } = await create({
      ...widget({ extra: 1, any: { kept: true } }, { phase: "Done" }),
      more: "x",
    });
    assert.equal(status, 201);
    assert.deepEqual(body["spec"], { digest: DIGEST, on: true, any: { kept: true } });
    assert.equal("status" in body || "more" in body, false);
    assert.equal(asJson(body["metadata"])["generation"], 1);
  });

  test("the status is written by itself, and nothing else with it", async () => {
    const { body } = await create(widget());
    const wanted = {
      ...body,
      metadata: { ...asJson(body["metadata"]), labels: { a: "b" } },
      spec: { digest: DIGEST, size: 5 },
      status: { phase: "Done", extra: 1 },
    };
    const answer = await ask(server, "PUT", `${PATH}/w/status`, wanted);
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.body["status"], { phase: "Done" });
    assert.deepEqual(answer.body["spec"], { digest: DIGEST, on: true });
    assert.equal(asJson(answer.body["metadata"])["labels"], undefined);
    assert.equal(asJson(answer.body["metadata"])["generation"], 1);
    const spec = await ask(server, "PATCH", `${PATH}/w`, { spec: { size: 6 }, status: { phase: "Undone" } });
    assert.deepEqual(spec.body["status"], { phase: "Done" });
    assert.equal(asJson(spec.body["metadata"])["generation"], 2);
  });

  test("updates need a version, patches do not", async () => {
    await create(widget());
    const blind = await ask(server, "PUT", `${PATH}/w`, widget());
    assert.equal(blind.status, 422);
    assert.match(
      String(blind.body["message"]),
      /metadata.resourceVersion: Invalid value: 0: must be specified for an update/,
    );
    assert.equal((await ask(server, "PATCH", `${PATH}/w/status`, { status: { phase: "x" } })).status, 200);
  });

  test("what the schema forbids is refused with the field and the reason", async () => {
    const cases: readonly [object, RegExp][] = [
      [{ digest: undefined }, /^Widget.example.test "w" is invalid: spec.digest: Required value$/],
      [
        { digest: "sha256:x" },
        /spec.digest: Invalid value: "sha256:x": spec.digest in body should match '\^sha256/,
      ],
      [
        { digest: 5 },
        /spec.digest: Invalid value: "integer": spec.digest in body must be of type string: "integer"/,
      ],
      [{ digest: null }, /must be of type string: "null"/],
      [{ size: 1.5 }, /spec.size in body must be of type integer: "number"/],
      [{ size: -1 }, /should be greater than or equal to 0/],
      [{ size: 101 }, /should be less than or equal to 100/],
      [{ ratio: "x" }, /must be of type number/],
      [{ on: "yes" }, /must be of type boolean/],
      [{ mode: "medium" }, /spec.mode: Unsupported value: "medium": supported values: "fast", "slow"/],
      [{ title: "€" }, /should be at least 2 chars long/],
      [{ title: "€€€€€€" }, /spec.title: Too long: may not be longer than 5/],
      [{ labels: { a: "1234" } }, /spec.labels.a: Too long/],
      [{ labels: { a: "1", b: "2", c: "3" } }, /spec.labels: Too many: 3: must have at most 2 items/],
      [{ labels: [] }, /must be of type object: "array"/],
      [{ size: -1, mode: "x" }, /is invalid: \[spec.size: .*, spec.mode: .*\]$/],
    ];
    for (const [spec, message] of cases) {
      const { status, body } = await create(widget(spec));
      assert.equal(status, 422, JSON.stringify(spec));
      assert.equal(body["reason"], "Invalid");
      assert.match(String(body["message"]), message);
      assert.ok(Array.isArray(asJson(body["details"])["causes"]));
    }
    assert.equal((await create(widget({ title: "€€€€€", nothing: null, labels: { a: "123" } }))).status, 201);
  });

  test("the status has to be as the schema says, too", async () => {
    await create(widget());
    const cases: readonly [object, RegExp][] = [
      [{ at: "yesterday" }, /status.at in body must be of type date-time: "yesterday"/],
      [{ sources: ["a", "b", "c"] }, /status.sources: Too many: 3/],
      [{ sources: ["a", "a"] }, /status.sources\[1\]: Duplicate value: "a"/],
      [{ conditions: [{ status: "True" }] }, /status.conditions\[0\].type: Required value/],
      [{ conditions: [{ type: "A" }, { type: "A" }] }, /status.conditions\[1\]: Duplicate value/],
    ];
    for (const [status, message] of cases) {
      const answer = await ask(server, "PATCH", `${PATH}/w/status`, { status });
      assert.equal(answer.status, 422, JSON.stringify(status));
      assert.match(String(answer.body["message"]), message);
    }
    const good = {
      at: "2024-05-01T10:00:00.123Z",
      sources: ["a", "b"],
      conditions: [{ type: "A" }, { type: "B" }],
    };
    assert.equal((await ask(server, "PATCH", `${PATH}/w/status`, { status: good })).status, 200);
  });

  test("what is immutable stays as it is", async () => {
    await create(widget());
    const { status, body } = await ask(server, "PATCH", `${PATH}/w`, {
      spec: { digest: `sha256:${"b".repeat(64)}` },
    });
    assert.equal(status, 422);
    assert.match(String(body["message"]), /digest is immutable/);
  });

  test("an object needs its kind", async () => {
    const { kind: _kind, ...rest } = widget();
    assert.equal((await create(rest)).status, 400);
  });

  test("an old object stays readable under a new definition, and is watched", async (t) => {
    const own = await createApiServer({ cleanup: createCleanup(t), crds: [WIDGETS] });
    own.put({ ...widget({ legacy: true }), metadata: { name: "old", namespace: "shop" } });
    own.put(WIDGETS);
    assert.equal((await ask(own, "GET", `${PATH}/old`)).status, 200);
    const watch = await openWatch(own, "/apis/example.test/v1/widgets?watch=1");
    await eventually("the old one", () => watch.seen()[0] === "ADDED old");
    watch.stop();
  });

  test("a definition that is created over HTTP is in force at once", async (t) => {
    const own = await createApiServer({ cleanup: createCleanup(t) });
    own.put({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
    assert.equal((await ask(own, "POST", PATH, widget())).status, 404);
    const path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    assert.equal((await ask(own, "POST", path, WIDGETS)).status, 201);
    assert.equal((await ask(own, "POST", PATH, widget())).status, 201);
  });

  test("a schema that this server cannot judge is refused, so that it never lets too much pass", () => {
    assert.throws(() => checkSchema({ type: "object", oneOf: [] }), /openAPIV3Schema.oneOf is not supported/);
    assert.throws(() => checkSchema({ properties: {} }), /type is missing: the schema is not structural/);
    const branch = { type: "object", anyOf: [{ properties: {} }] };
    assert.throws(() => checkSchema(branch), /anyOf\[0\].properties: only "required" is supported there/);
    const rules = [{ rule: "self.a < self.b" }];
    assert.throws(
      () => checkSchema({ type: "object", "x-kubernetes-validations": rules }),
      /of CEL only "self == oldSelf"/,
    );
    assert.throws(
      () => checkSchema({ type: "array", items: { type: "string", not: {} } }),
      /items.not is not supported/,
    );
  });
});
