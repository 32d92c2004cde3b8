import assert from "node:assert/strict";

import {
  CUSTOM_RESOURCE_DEFINITIONS,
  EVENTS,
  PODS,
  SALVAGE_RECORDS,
} from "../../controller/kube/resources.ts";
import { CRD_NAME } from "../../controller/objects/crd-check.ts";
import { asObject, asTime } from "../../controller/objects/json.ts";
import { readSalvageRecord } from "../../controller/objects/read-salvage-record.ts";
import type { SalvageRecord } from "../../controller/objects/salvage-record.ts";
import { stripPod } from "../../controller/objects/strip-pod.ts";
import type { ControlRig } from "../control/control-rig.ts";
import { orderManifest } from "../control/objects.ts";
import { imageStatus } from "../harness/cri.ts";
import { waitFor } from "../harness/wait.ts";
import { follow } from "./follow.ts";
import type { DemoImage } from "./images.ts";
import { columnsOf, EVENT_COLUMNS, formatTable, type Column } from "./kubectl.ts";
import { STEPS, Timeline } from "./timeline.ts";

/** How long a salvage of the demo may take, in milliseconds. */
const PATIENCE_MS = 60_000;

/** Where the demo prints. */
export interface Screen {
  readonly write: (text: string) => void;
  readonly isTerminal: boolean;
}

/** A Deployment's pod on node b needs the image: follows it until it runs, and tells what happens. */
export async function watchSalvage(
  control: ControlRig,
  image: DemoImage,
  options: { readonly namespace: string; readonly workload: string; readonly screen: Screen },
): Promise<SalvageRecord> {
  const { namespace, workload, screen } = options;
  const timeline = new Timeline(screen);
  const watching = new AbortController();
  const { signal } = watching;
  const watches = [
    follow(control.api, PODS, {
      namespace,
      signal,
      show: (object) => timeline.seePod(stripPod(object), Date.now()),
    }),
    follow(control.api, SALVAGE_RECORDS, {
      namespace,
      signal,
      show(object) {
        const reading = readSalvageRecord(object);
        if (reading.kind === "record") timeline.seeRecord(reading.record, Date.now());
      },
    }),
  ];
  try {
    const pod = await control.createDeploymentPod({
      name: workload,
      namespace,
      node: "b",
      image: image.name,
    });
    await control.waitForRunning(namespace, pod.name, PATIENCE_MS);
    const record = await control.waitForRecord(namespace, "has recovered", ({ status }) =>
      (status.transitions ?? []).some(({ type }) => type === "recovered"),
    );
    await waitFor("the timeline to be complete", () => timeline.steps.size === STEPS.length);
    return record;
  } finally {
    watching.abort();
    await Promise.all(watches);
  }
}

/** Asks CRI on node b for the image, collects garbage there and runs it. */
export async function proveImage(
  { rig }: ControlRig,
  image: DemoImage,
  record: SalvageRecord,
): Promise<string> {
  const { containerd, ctr } = rig.node("b");
  const status = await imageStatus(containerd, image.name);
  assert.ok(status !== undefined, `CRI does not know ${image.name}`);
  assert.equal(status.id, record.status.configDigest ?? status.id);
  assert.equal(record.status.plan?.digest, image.index.descriptor.digest);
  await ctr.forceGc();
  assert.equal(await ctr.run(image.name), `${image.output}\n`);
  return `${status.id.slice(0, 19)}... ${status.repoTags.join(" ")}`;
}

/** Gives an order by hand and waits for its end. */
export async function orderSalvage(
  control: ControlRig,
  image: DemoImage,
  options: { readonly namespace: string; readonly name: string },
): Promise<SalvageRecord> {
  const { namespace, name } = options;
  const spec = { imageRef: image.name, targetNode: "b" };
  await control.create(SALVAGE_RECORDS, orderManifest(name, namespace, spec));
  const record = await control.waitForRecord(
    namespace,
    "has ended",
    ({ status }) => status.completedAt !== undefined,
    PATIENCE_MS,
  );
  assert.equal(record.status.phase, "Completed", record.status.message);
  assert.ok(
    await imageStatus(control.rig.node("b").containerd, image.name),
    `CRI does not know ${image.name}`,
  );
  return record;
}

/** SalvageRecords of a namespace as `kubectl get salvagerecords` prints them. */
export async function recordTable({ api }: ControlRig, namespace: string): Promise<string> {
  const signal = new AbortController().signal;
  const definition = await api.get(CUSTOM_RESOURCE_DEFINITIONS, { name: CRD_NAME }, { signal });
  return await table(api, SALVAGE_RECORDS, { namespace, columns: columnsOf(definition) });
}

/** Events of a namespace as `kubectl get events` prints them, once there are as many as expected. */
export async function eventTable(control: ControlRig, namespace: string, expected: number): Promise<string> {
  return await waitFor(`${expected} Events`, async () => {
    const text = await table(control.api, EVENTS, { namespace, columns: EVENT_COLUMNS });
    return text.split("\n").length > expected ? text : undefined;
  });
}

async function table(
  api: ControlRig["api"],
  of: typeof SALVAGE_RECORDS | typeof EVENTS,
  options: { readonly namespace: string; readonly columns: readonly Column[] },
): Promise<string> {
  const { namespace, columns } = options;
  const objects: unknown[] = [];
  for await (const page of api.list(of, { namespace, signal: new AbortController().signal })) {
    objects.push(...page.items);
  }
  return formatTable(columns, objects.sort(byTime), Date.now());
}

/** Oldest first. */
function byTime(one: unknown, other: unknown): number {
  const [a, b] = [one, other].map((object) => asTime(asObject(object)["eventTime"]));
  return (a ?? 0) - (b ?? 0);
}
