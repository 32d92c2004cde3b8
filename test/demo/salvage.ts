import assert from "node:assert/strict";
import process from "node:process";

import { formatSize } from "../../lib/units.ts";
import { startControlRig, type ControlRig } from "../control/control-rig.ts";
import { imageStatus } from "../harness/cri.ts";
import type { Rig } from "../harness/rig.ts";
import { ensureSystem } from "../setup/system.ts";
import { checkArchive } from "./archive.ts";
import { putImage } from "./images.ts";
import { LayerLines } from "./layer-lines.ts";
import { indent, say, step } from "./say.ts";
import { eventTable, orderSalvage, proveImage, recordTable, watchSalvage, type Screen } from "./story.ts";

const SHOP = "registry.test:5000/shop";
/** What the agent of node a sends per second: as it is, the transfer would be over before it could be seen. */
const BANDWIDTH = "8Mi";

async function demo(control: ControlRig, screen: Screen): Promise<void> {
  const { rig } = control;
  const target = rig.node("b").containerd;
  step(
    "Two nodes with containerd, an agent on each, an API server, a controller. Node a has an image, as once pulled:",
  );
  const checkout = {
    name: `${SHOP}/checkout:v1.4`,
    output: "checkout v1.4: hello from node b",
    megabytes: 32,
  };
  const image = await putImage(rig, checkout);
  say(`   ${image.name}`);
  say(`   ${image.index.descriptor.digest}, one platform of two`);
  assert.equal(await imageStatus(target, image.name), undefined);
  say("   On node b CRI ImageStatus does not know it, and there is no registry.");

  step(
    `A Deployment puts a pod on node b. Node a sends at ${BANDWIDTH}B/s, so that there is something to see:`,
  );
  const workload = { namespace: "shop", workload: "checkout", screen };
  await control.createNamespace("shop");
  const record = await watchSalvage(control, image, workload);
  say(
    `   ${formatSize(record.status.bytesTransferred ?? 0)} moved, over mTLS, with a grant for this image and this node`,
  );

  step("What the kubelet on node b sees now:");
  say(`   ImageStatus: ${await proveImage(control, image, record)}`);
  say(`   after garbage collection a container of it prints: ${image.output}`);

  step("kubectl get salvagerecords -n shop");
  say(indent(await recordTable(control, "shop")));
  step("kubectl get events -n shop");
  say(indent(await eventTable(control, "shop", 2)));

  const invoices = { name: `${SHOP}/invoices:v2.0`, output: "invoices v2.0", megabytes: 4 };
  const ordered = await putImage(rig, invoices);
  await control.createNamespace("billing");
  step("An order by hand, before anything fails:");
  const spec = `spec: { imageRef: "${ordered.name}", targetNode: b }`;
  const metadata = "metadata: { name: before-the-weekend, namespace: billing }";
  say(indent(["apiVersion: tote.dev/v1alpha1", "kind: SalvageRecord", metadata, spec].join("\n")));
  await orderSalvage(control, ordered, { namespace: "billing", name: "before-the-weekend" });
  say("");
  say(indent(await recordTable(control, "billing")));

  await importByHand(rig, screen);

  step("The same image as an archive, for any machine with curl:");
  await checkArchive(rig, image.name);
  say("   curl .../v1/archive | ctr images import: complete (4/4)");
}

/** One call to an agent, without the controller: what CRI says before and after, and a line for each layer. */
async function importByHand(rig: Rig, screen: Screen): Promise<void> {
  const cart = { name: `${SHOP}/cart:v3.1`, output: "cart v3.1", megabytes: 12 };
  const { name, index } = await putImage(rig, cart);
  const target = rig.node("b").containerd;
  step("What an agent tells of an import, layer by layer; the first is part of an image that node b has:");
  const before = await imageStatus(target, name);
  assert.equal(before, undefined);
  say(`   before: CRI ImageStatus of ${name} on node b: no such image`);
  const lines = new LayerLines(screen.write);
  const result = await rig.import({
    image: index,
    names: [name],
    target: "b",
    sources: ["a"],
    // of a later leader than the controller, which orders nothing after this
    grant: { epoch: Number.MAX_SAFE_INTEGER },
    onProgress: (progress) => lines.see(progress),
  });
  const after = await imageStatus(target, name);
  assert.ok(after !== undefined, `CRI does not know ${name}`);
  assert.equal(after.id, result.configDigest);
  say(
    `   after:  CRI ImageStatus: ${after.id.slice(0, 19)}... ${after.repoTags.join(" ")}, ${formatSize(after.size)}`,
  );
}

/** tote's main job on real containerd daemons. Throws when anything is not as it must be. */
export async function runSalvageDemo(): Promise<void> {
  const started = performance.now();
  const screen = {
    write: (text: string) => void process.stdout.write(text),
    isTerminal: process.stdout.isTTY,
  };
  const { installed } = await ensureSystem(["nodes"]);
  if (installed.length > 0) say(`installed ${installed.join(", ")}`);
  const control = await startControlRig({ a: { agent: { args: ["--max-bandwidth", BANDWIDTH] } }, b: {} });
  try {
    await demo(control, screen);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    step(`Done in ${seconds} s. Both nodes are stopped and removed.`);
  } finally {
    await control.rig.cleanup.run();
  }
}
