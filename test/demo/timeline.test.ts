import assert from "node:assert/strict";
import { test } from "node:test";

import type { StrippedPod } from "../../controller/objects/pod.ts";
import { stripPod } from "../../controller/objects/strip-pod.ts";
import type { SalvageRecord, SalvageRecordStatus } from "../../controller/objects/salvage-record.ts";
import { STEPS, Timeline } from "./timeline.ts";

const START = Date.parse("2026-01-01T00:00:00Z");

function pod(status: object, annotations: object = {}): StrippedPod {
  const spec = { nodeName: "b", containers: [{ name: "app", image: "shop:v1" }] };
  return stripPod({ metadata: { name: "web", namespace: "shop", annotations }, spec, status });
}

function record(status: SalvageRecordStatus): SalvageRecord {
  const identity = { name: "shop-1", namespace: "shop", uid: "1", resourceVersion: "1" };
  const metadata = { ...identity, creationTimestamp: "", labels: {}, isDeleting: false };
  return { metadata, spec: { targetNode: "b" }, status };
}

function at(ms: number): string {
  return new Date(START + ms).toISOString();
}

function tell(isTerminal: boolean): { readonly text: string; readonly steps: ReadonlySet<string> } {
  let text = "";
  const timeline = new Timeline({ write: (piece) => void (text += piece), isTerminal });
  const waiting = {
    containerStatuses: [{ name: "app", state: { waiting: { reason: "ErrImagePull", message: "no" } } }],
  };
  timeline.seePod(pod(waiting), START);
  const detail = { notified: false, message: "" };
  const found: SalvageRecordStatus = {
    phase: "Transferring",
    cause: "unreachable",
    transitions: [
      {
        ...detail,
        type: "salvageable",
        time: at(150),
        reason: "Found",
        digest: `sha256:${"1".repeat(64)}`,
        sources: ["a"],
      },
      { ...detail, type: "detected", time: at(100), reason: "ErrImagePull" },
    ],
    conditions: [
      {
        type: "Authorized",
        status: "True",
        reason: "Evidence",
        message: "node a holds it",
        lastTransitionTime: at(160),
      },
    ],
  };
  timeline.seeRecord(record(found), START + 90);
  const bytes = { bytesTotal: 2 * 1024 ** 2, bytesTransferred: 1024 ** 2, progress: "50%", sources: ["a"] };
  timeline.seeRecord(record({ ...found, ...bytes }), START + 2000);
  timeline.seeRecord(record({ ...found, ...bytes }), START + 2100);
  const salvaged = { "tote.dev/salvaged-at": at(2300) };
  timeline.seePod(pod(waiting, salvaged), START + 2310);
  const visible = {
    type: "Visible",
    status: "True",
    reason: "x",
    message: "seen",
    lastTransitionTime: at(2200),
  } as const;
  timeline.seeRecord(record({ ...found, conditions: [visible] }), START + 2320);
  timeline.seePod(pod({ phase: "Running" }, salvaged), START + 2400);
  return { text, steps: timeline.steps };
}

test("the timeline tells each step once, with the seconds since the pod began to fail", () => {
  const { text, steps } = tell(false);
  assert.deepEqual([...steps].sort(), [...STEPS].sort());
  const lines = text.trimEnd().split("\n");
  assert.deepEqual(
    lines.map((line) => line.trim().split(/ {2,}/).slice(0, 2).join(" ")),
    [
      "0.00 s failing",
      "0.09 s record",
      "0.10 s detected",
      "0.15 s resolved",
      "0.16 s authorised",
      "0.09 s transfer",
      "2.00 s transfer",
      "2.30 s nudged",
      "2.20 s transfer",
      "2.20 s visible",
      "2.40 s running",
    ],
  );
  assert.match(lines[6] ?? "", /\[#{12}\.{12}\] +50% {2}1 MiB of 2 MiB from a$/);
});

test("on a terminal progress is drawn over, unless another line came between", () => {
  assert.equal(tell(true).text.split("\x1b[1A\x1b[2K").length, 2);
});
