/** `npm run demo`: tote's main job on real containerd daemons, in under a minute, with nothing left behind. */

import assert from "node:assert/strict";
import { join } from "node:path";
import process from "node:process";

import { describeError } from "../../lib/errors.ts";
import { ROLES } from "../../lib/roles.ts";
import { formatSize } from "../../lib/units.ts";
import { imageStatus, pullImage } from "../harness/cri.ts";
import { buildIndex, buildRunnableImage, type BuiltIndex } from "../harness/image-builder.ts";
import { loadImage } from "../harness/load-image.ts";
import { startSharedRig, type Rig } from "../harness/rig.ts";
import { run } from "../harness/run.ts";
import { ensureSystem } from "../setup/system.ts";
import { LayerLines } from "./layer-lines.ts";

const IMAGE = "registry.test:5000/shop/checkout:v1.4";
const OUTPUT = "checkout v1.4: hello from node b";

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function step(title: string): void {
  say(`\n== ${title}`);
}

async function demo(rig: Rig): Promise<void> {
  const [a, b] = [rig.node("a"), rig.node("b")];
  const image = await prepare(rig);

  step("The registry is gone. What the kubelet on node b would see:");
  const refusal = await pullImage(b.containerd, IMAGE).then(
    () => undefined,
    (error: unknown) => describeError(error),
  );
  assert.ok(refusal, "the pull succeeded, although there is no registry");
  say(`   pull:        ... ${refusal.slice(-110)}`);
  const before = await imageStatus(b.containerd, IMAGE);
  assert.equal(before, undefined);
  say(`   ImageStatus: ${IMAGE} is not present`);

  step(
    `tote brings ${image.descriptor.digest.slice(0, 19)}... from node a to node b, over mTLS, with a signed grant:`,
  );
  const lines = new LayerLines({
    write: (text) => void process.stdout.write(text),
    isTerminal: process.stdout.isTTY,
  });
  const result = await rig.import({
    image,
    names: [IMAGE],
    target: "b",
    onProgress: (progress) => lines.show(progress),
  });
  assert.equal(result.visible, true, result.message);
  say(`   ${formatSize(Number(result.bytesTransferred))} moved in ${Number(result.durationMs) / 1000} s`);

  step("What the kubelet on node b sees now:");
  const after = await imageStatus(b.containerd, IMAGE);
  assert.equal(after?.id, result.configDigest);
  say(`   ImageStatus: ${after.id.slice(0, 19)}... ${after.repoTags.join(" ")}`);
  await b.ctr.forceGc();
  const output = await b.ctr.run(IMAGE);
  assert.equal(output, `${OUTPUT}\n`);
  say(`   after garbage collection a container of it prints: ${output.trim()}`);

  step("The same image as an archive, for any machine with curl:");
  const archive = join(rig.cleanup.directory(), "image.tar");
  const certs = await rig.pki.write(
    join(rig.cleanup.directory(), "operator"),
    await rig.pki.role(ROLES.operator),
  );
  const url = `${b.agent.url}/v1/archive?reference=${IMAGE}`;
  const tls = ["--cacert", `${certs}/ca.crt`, "--cert", `${certs}/tls.crt`, "--key", `${certs}/tls.key`];
  // the certificate carries a role, not the address: curl is told where that name is
  const { hostname, port } = new URL(url);
  const named = ["--connect-to", `${ROLES.agent}:${port}:${hostname}:${port}`];
  await run("curl", ["-fsS", ...tls, ...named, url.replace(hostname, ROLES.agent), "-o", archive]);
  await a.ctr.exec(["namespaces", "create", "elsewhere"]);
  await run(a.containerd.ctr, [
    "--address",
    a.containerd.socket,
    "-n",
    "elsewhere",
    "images",
    "import",
    archive,
  ]);
  const check = await run(a.containerd.ctr, [
    "--address",
    a.containerd.socket,
    "-n",
    "elsewhere",
    "images",
    "check",
  ]);
  assert.match(check.stdout, /complete \(4\/4\)/);
  say("   curl .../v1/archive | ctr images import: complete (4/4)");
}

/** Puts an image on node a: one platform of an index, as a pull leaves it. */
async function prepare(rig: Rig): Promise<BuiltIndex> {
  step("Two nodes with containerd, an agent on each. Node a has an image, as once pulled:");
  const inner = await buildRunnableImage({
    output: OUTPUT,
    dir: rig.cleanup.directory(),
    layers: [
      { files: { "app/server": { size: 24_000_000, fill: "random", seed: "server" } } },
      { files: { "app/assets": { size: 8_000_000, fill: "random", seed: "assets" } }, compression: "zstd" },
    ],
  });
  const index = buildIndex({
    images: [inner],
    absent: [{ os: "linux", architecture: "s390x" }],
    attestations: true,
  });
  await loadImage(rig.node("a").containerd, index, { names: [IMAGE] });
  say(`   ${IMAGE}`);
  say(`   ${index.descriptor.digest}, ${inner.layers.length} layers, one platform of two`);
  return index;
}

async function main(): Promise<number> {
  const started = performance.now();
  let rig: Rig | undefined;
  try {
    const { installed } = await ensureSystem(["test"]);
    if (installed.length > 0) say(`installed ${installed.join(", ")}`);
    rig = await startSharedRig({ a: {}, b: {} });
    await demo(rig);
    step(
      `Done in ${((performance.now() - started) / 1000).toFixed(1)} s. Both nodes are stopped and removed.`,
    );
    return 0;
  } catch (error) {
    process.stderr.write(`\ndemo failed: ${describeError(error)}\n`);
    return 1;
  } finally {
    await rig?.cleanup.run();
  }
}

process.exitCode = await main();
