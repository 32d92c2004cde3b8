import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { createCleanup } from "../cleanup.ts";
import { ask, type Answer } from "./http.fixture.ts";
import { createApiServer } from "./server.ts";
import type { ApiServer } from "./types.ts";

const LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
const EVENTS = "/apis/events.k8s.io/v1/namespaces/default/events";
const TIME = "2024-05-01T10:00:00.313000Z";

function lease(spec: object, metadata: object = {}) {
  return { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { name: "l", ...metadata }, spec };
}

function event(fields: object = {}) {
  return {
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    metadata: { name: "e" },
    eventTime: TIME,
    reportingController: "tote",
    reportingInstance: "tote-1",
    action: "Detected",
    reason: "ImageSalvageable",
    regarding: { kind: "Pod", namespace: "default", name: "web" },
    type: "Warning",
    note: "text",
    ...fields,
  };
}

describe("leases and events", () => {
  const cleanup = createCleanup();
  let server: ApiServer;
  before(async () => {
    server = await createApiServer({ cleanup });
  });
  after(() => cleanup.run());

  function assertRefused({ status, body }: Answer, code: number, message: RegExp): void {
    assert.match(String(body["message"]), message);
    assert.equal(status, code);
  }

  test("times of a lease have six digits of a second, as Go reads them", async () => {
    for (const renewTime of [
      "2024-05-01T10:00:00.313Z",
      "2024-05-01T10:00:00Z",
      "2024-05-01T10:00:00.313000000Z",
      5,
    ]) {
      assertRefused(
        await ask(server, "POST", LEASES, lease({ renewTime })),
        400,
        /Lease in version "v1" cannot be handled as a Lease/,
      );
    }
    assert.equal(
      (await ask(server, "POST", LEASES, lease({ renewTime: TIME, acquireTime: TIME }))).status,
      201,
    );
    server.delete("leases", "default/l");
  });

  test("durations and counts of a lease are in their bounds", async () => {
    assertRefused(
      await ask(server, "POST", LEASES, lease({ leaseDurationSeconds: 0 })),
      422,
      /leaseDurationSeconds: Invalid value: 0: must be greater than 0/,
    );
    assertRefused(
      await ask(server, "POST", LEASES, lease({ leaseTransitions: -1 })),
      422,
      /must be greater than or equal to 0/,
    );
  });

  test("a lease is updated with its version only, and made by an update when it is not there", async () => {
    const made = await ask(server, "PUT", `${LEASES}/l`, lease({ holderIdentity: "a" }));
    assert.equal(made.status, 201);
    assertRefused(
      await ask(server, "PUT", `${LEASES}/l`, lease({ holderIdentity: "b" })),
      422,
      /must be specified for an update/,
    );
    assert.equal((await ask(server, "PUT", `${LEASES}/l`, made.body)).status, 200);
    server.delete("leases", "default/l");
    assertRefused(
      await ask(server, "PUT", `${LEASES}/l`, made.body),
      409,
      /Precondition failed: UID in precondition/,
    );
  });

  test("an event says who reports what", async () => {
    const cases: readonly [object, number, RegExp][] = [
      [{ eventTime: undefined }, 422, /eventTime: Required value/],
      [{ eventTime: "2024-05-01T10:00:00.313Z" }, 400, /cannot be handled as a Event: parsing time/],
      [{ reportingController: "" }, 422, /reportingController: Required value/],
      [{ reportingController: "a b" }, 422, /reportingController: Invalid value/],
      [{ reportingInstance: undefined }, 422, /reportingInstance: Required value/],
      [{ reportingInstance: "x".repeat(129) }, 422, /can have at most 128 characters/],
      [{ action: "" }, 422, /action: Required value/],
      [{ reason: "" }, 422, /reason: Required value/],
      [{ type: "Error" }, 422, /type: Invalid value: "": has invalid value: Error/],
      [{ note: "€".repeat(342) }, 422, /message: Invalid value: "": can have at most 1024 characters/],
      [
        { series: { count: 1, lastObservedTime: TIME } },
        422,
        /series.count: Invalid value: "": should be at least 2/,
      ],
      [{ series: { count: 2 } }, 422, /series.lastObservedTime: Required value/],
      [{ deprecatedCount: 1 }, 422, /count: Invalid value: "": needs to be unset/],
    ];
    for (const [fields, status, message] of cases) {
      assertRefused(await ask(server, "POST", EVENTS, event(fields)), status, message);
    }
    const elsewhere = EVENTS.replace("default", "kube-public");
    assertRefused(
      await ask(server, "POST", elsewhere, event({ regarding: { kind: "Node", name: "n" } })),
      422,
      /does not match event.namespace/,
    );
    assert.equal((await ask(server, "POST", EVENTS, event({ note: "€".repeat(341) }))).status, 201);
    server.delete("events", "default/e");
  });

  test("of an event only the series changes", async () => {
    await ask(server, "POST", EVENTS, event());
    const series = { count: 2, lastObservedTime: TIME };
    assert.equal((await ask(server, "PATCH", `${EVENTS}/e`, { series })).status, 200);
    assertRefused(
      await ask(server, "PATCH", `${EVENTS}/e`, { series: { count: 1 } }),
      422,
      /should be at least 2/,
    );
    for (const change of [
      { note: "other" },
      { reason: "Other" },
      { type: "Normal" },
      { regarding: { name: "x" } },
      { action: "Other" },
    ]) {
      assertRefused(await ask(server, "PATCH", `${EVENTS}/e`, change), 422, /field is immutable/);
    }
    const found = await ask(
      server,
      "GET",
      `${EVENTS}?fieldSelector=regarding.name=web,reason=ImageSalvageable`,
    );
    assert.equal(Array.isArray(found.body["items"]) && found.body["items"].length, 1);
  });
});
