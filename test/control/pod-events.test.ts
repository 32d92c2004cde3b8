import assert from "node:assert/strict";
import { test } from "node:test";

import { RECORD_PODS_MAX } from "../../controller/limits.ts";
import { asObject, asText } from "../../controller/objects/json.ts";
import { waitFor } from "../harness/wait.ts";
import { startSimulatedRig, type SimulatedRig } from "./simulated-rig.ts";

interface Said {
  readonly pod: string;
  readonly reason: string;
  readonly count: number;
  readonly name: string;
}

function said(rig: SimulatedRig): readonly Said[] {
  return rig.server.list("events", "shop").map((event) => {
    const { count = 1 } = asObject(event["series"]);
    return {
      pod: asText(asObject(event["regarding"])["name"]),
      reason: asText(event["reason"]),
      count: Number(count),
      name: event.metadata.name,
    };
  });
}

test("every pod that waits has its Events, up to as many as a record names", async (t) => {
  const rig = await startSimulatedRig(t);
  rig.createNamespace("shop");
  const image = rig.image("web", "a");
  const release = rig.fleet.hold(image.digest);
  const names = Array.from({ length: RECORD_PODS_MAX + 5 }, (_none, at) => `web-${at}`);
  for (const name of names) rig.createPod({ name, namespace: "shop", node: "b", image: image.name });
  const podsWith = (reason: string): number =>
    new Set(said(rig).flatMap((event) => (event.reason === reason ? [event.pod] : []))).size;
  await waitFor("the first Events", () => podsWith("ImageSalvageable") === RECORD_PODS_MAX);
  release();
  for (const name of names) await rig.waitForRunning("shop", name);
  await waitFor("the last Events", () => podsWith("ImageSalvaged") === RECORD_PODS_MAX);
  assert.equal(said(rig).length, 2 * RECORD_PODS_MAX);
});

test("what lasts is counted up as a series, and said anew when the API server has forgotten it", async (t) => {
  const rig = await startSimulatedRig(t);
  rig.createNamespace("shop");
  const image = "registry.test:5000/nobody:v1";
  for (const name of ["one", "two"]) rig.createPod({ name, namespace: "shop", node: "b", image });
  await waitFor("both Events", () => said(rig).length === 2);
  // another leader says nothing twice
  await rig.controller.stop();
  await rig.startController();
  async function later(what: string, check: () => boolean): Promise<void> {
    const step = (): boolean => {
      // less than what a call may take
      rig.clock.skip(10_000);
      return check();
    };
    await waitFor(what, step, { timeoutMs: 60_000, intervalMs: 20 });
  }
  const counts = (): readonly string[] => said(rig).map(({ pod, count }) => `${pod} ${count}`);
  await later("both to be counted", () => said(rig).every(({ count }) => count >= 2));
  assert.equal(said(rig).length, 2);
  assert.ok(said(rig).every(({ reason }) => reason === "ImageNotActionable"));
  for (const { name } of said(rig)) rig.server.delete("events", `shop/${name}`);
  await later("both to be said anew", () => said(rig).length === 2);
  // nobody speaks of a pod that is gone
  rig.server.delete("pods", "shop/one");
  const before = counts().find((line) => line.startsWith("one"));
  await later("the other to be counted", () =>
    said(rig).some(({ pod, count }) => pod === "two" && count >= 2),
  );
  assert.equal(
    counts().find((line) => line.startsWith("one")),
    before,
  );
});
