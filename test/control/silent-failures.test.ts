import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { ANY_EVENTS } from "../../controller/kube/resources.ts";
import { asObject, asText } from "../../controller/objects/json.ts";
import type { StrippedPod } from "../../controller/objects/pod.ts";
import type { SalvageRecord } from "../../controller/objects/salvage-record.ts";
import { SANDBOX_TEXT } from "../../controller/testing/kubelet-texts.ts";
import { assertImageRuns } from "../harness/assert-image.ts";
import { loadImage } from "../harness/load-image.ts";
import { uniqueImage } from "../harness/unique-image.ts";
import { waitFor } from "../harness/wait.ts";
import { startControlRig, type ControlRig } from "./control-rig.ts";
import { startSilentRegistry, type SilentRegistry } from "./silent-registry.ts";

const ASKS = { "tote.dev/auto-salvage": "true" };
const signal = new AbortController().signal;

describe("failures that no pod's status tells", () => {
  let control: ControlRig;
  let registry: SilentRegistry;
  before(async () => {
    control = await startControlRig({ a: {}, b: {} });
    registry = await startSilentRegistry(control.rig.cleanup);
  });
  after(() => control.rig.cleanup.run());

  /** An Event of a kubelet, some seconds old. */
  async function say(reason: string, message: string, pod: StrippedPod, seconds: number): Promise<void> {
    const time = new Date(Date.now() - seconds * 1000).toISOString().replace(/\.\d+Z$/, "Z");
    const { namespace, name, uid } = pod;
    const about = { apiVersion: "v1", kind: "Pod", namespace, name, uid };
    await control.cluster.putEvent({
      metadata: { name: `${name}.17a`, namespace },
      firstTimestamp: time,
      lastTimestamp: time,
      count: 1,
      source: { component: "kubelet", host: "b" },
      type: "Normal",
      reason,
      message,
      involvedObject: reason === "Pulling" ? { ...about, fieldPath: "spec.containers{app}" } : about,
    });
  }

  const notes = async (namespace: string, about: string): Promise<readonly string[]> => {
    const found: string[] = [];
    for await (const page of control.api.list(ANY_EVENTS, { namespace, signal })) {
      for (const event of page.items.map(asObject)) {
        const reason = asText(event["reason"]);
        if (asObject(event["regarding"])["name"] === about && reason.startsWith("Image")) {
          found.push(`${reason}: ${asText(event["note"])}`);
        }
      }
    }
    return found;
  };

  const hasEnded = ({ status }: SalvageRecord): boolean => status.completedAt !== undefined;

  test("for a pull that hangs the image is brought, others run from it, and what to do is said", async () => {
    const { image, output } = await uniqueImage("hung");
    const name = `${registry.host}/hung:v1`;
    await loadImage(control.rig.node("a").containerd, image, { names: [name] });
    await control.createNamespace("hung");
    const pod = await control.createPod({
      name: "web",
      namespace: "hung",
      node: "b",
      image: name,
      annotations: ASKS,
    });
    await waitFor("containerd to ask the registry", () => registry.accepted > 0);
    await say("Pulling", `Pulling image "${name}"`, pod, 600);

    const { status } = await control.waitForRecord("hung", "has ended", hasEnded);
    assert.equal(status.reason, "Salvaged", status.message);
    assert.equal(status.transitions?.[0]?.reason, "HangingPull");
    assert.equal(status.cause, "timeout");
    await assertImageRuns(control.rig.node("b").containerd, name, output);
    await control.createPod({ name: "other", namespace: "hung", node: "b", image: name });
    await control.waitForRunning("hung", "other");
    assert.notEqual((await control.pod("hung", "web"))?.phase, "Running");
    const said = await waitFor("the Event on the pod", async () =>
      (await notes("hung", "web")).find((note) => note.startsWith("ImageSalvaged")),
    );
    assert.match(said, /This pod's pull hangs\..* delete pod web, or restart containerd/);
  });

  test("a sandbox image that cannot be pulled is reported", async () => {
    await control.createNamespace("sandbox");
    const pod = await control.createPod({
      name: "web",
      namespace: "sandbox",
      node: "b",
      image: `${registry.host}/any:v1`,
      annotations: ASKS,
    });
    await say("FailedCreatePodSandBox", SANDBOX_TEXT, pod, 5);
    const { status } = await control.waitForRecord("sandbox", "has ended", hasEnded);
    assert.equal(status.phase, "Refused");
    assert.equal(status.reason, "SandboxImage");
    assert.equal(status.origin?.image, "tote.test/pause:1");
    const said = await waitFor("the Event on the pod", async () => (await notes("sandbox", "web"))[0]);
    assert.match(said, /^ImageNotActionable: .*sandbox \(pause\) image.*connection refused/);
  });
});
