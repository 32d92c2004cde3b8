import assert from "node:assert/strict";

import { EVENTS } from "../../controller/kube/resources.ts";
import { asObject } from "../../controller/objects/json.ts";
import type { SalvageRecord } from "../../controller/objects/salvage-record.ts";
import { bytesSent } from "../harness/agent-metrics.ts";
import type { ControlRig } from "./control-rig.ts";

/**
 * Waits until the one salvage of a namespace is over, and asserts that all of it happened once, whoever was killed meanwhile.
 * @param sent.bytes of the image, which node a has; `earlier`: what its agent had sent before
 */
export async function proveOnce(
  control: ControlRig,
  namespace: string,
  sent: { readonly bytes: number; readonly earlier: number },
): Promise<void> {
  const done = await control.waitForRecord(namespace, "has recovered and owes nothing", isToldOfAll);
  assert.equal(done.status.phase, "Completed");
  assert.equal((await control.records(namespace)).length, 1);
  // a second call looks at the manifest again
  const again = (await bytesSent(control.rig.node("a").agent)) - sent.earlier - sent.bytes;
  assert.ok(again >= 0 && again < 10_000, `${again} bytes were sent again`);
  assert.deepEqual(await eventReasons(control, namespace), ["ImageSalvageable", "ImageSalvaged"]);
  const ids = control.sink.events.filter(({ body }) => body.includes(`"namespace":"${namespace}"`));
  assert.equal(new Set(ids.map(({ id }) => id)).size, (done.status.transitions ?? []).length);
  for (const { id, body } of ids) {
    assert.ok(
      ids.every((other) => other.id !== id || other.body === body),
      "a repeat differs",
    );
  }
}

function isToldOfAll({ status }: SalvageRecord): boolean {
  const transitions = status.transitions ?? [];
  return (
    transitions.some(({ type }) => type === "recovered") && transitions.every(({ notified }) => notified)
  );
}

async function eventReasons({ api }: ControlRig, namespace: string): Promise<string[]> {
  const reasons: string[] = [];
  for await (const page of api.list(EVENTS, { namespace, signal: new AbortController().signal })) {
    reasons.push(...page.items.map((event) => String(asObject(event)["reason"])));
  }
  return reasons.sort();
}
