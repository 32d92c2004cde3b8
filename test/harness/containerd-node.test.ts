import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { assertImageRuns } from "./assert-image.ts";
import { createCleanup } from "./cleanup.ts";
import { startContainerd } from "./containerd-node.ts";
import type { ContainerdNode } from "./containerd-node.ts";
import { imageStatus, listImages, pullImage, removeImage } from "./cri.ts";
import { ctr } from "./ctr.ts";
import { buildImage, buildRunnableImage } from "./image-builder.ts";
import { buildIndex } from "./image-index.ts";
import { containerdProgramNames } from "./leftovers.ts";
import { findProcesses, isAlive } from "./process-table.ts";
import { loadImage } from "./load-image.ts";
import { createNetwork } from "./netns.ts";
import { writeOciArchive } from "./oci-archive.ts";
import { startRegistry } from "./registry.ts";
import { run } from "./run.ts";

const name = "registry.test:5000/app:v1";

void test("an image is loaded, survives garbage collection and runs; stop leaves nothing", async (t) => {
  const node = await startContainerd({ name: "a", cleanup: createCleanup(t) });
  const image = await buildRunnableImage({
    output: "hello",
    layers: [
      { files: { "data/random": { size: 100_000, fill: "random", seed: "1" } }, compression: "zstd" },
      { files: { "data/plain": "text" }, compression: "none" },
    ],
  });
  const index = buildIndex({
    images: [image],
    absent: [{ os: "linux", architecture: "s390x" }],
    attestations: true,
  });
  await loadImage(node, index, { names: [name] });
  const { digest } = index.descriptor;
  const records = await ctr(node).images();
  assert.deepEqual(records.map((record) => record.name).sort(), [
    name,
    `registry.test:5000/app@${digest}`,
    image.config.digest,
  ]);
  for (const record of records) {
    assert.deepEqual([record.digest, record.labels], [digest, { "io.cri-containerd.image": "managed" }]);
  }
  assert.equal((await imageStatus(node, name))?.id, image.config.digest);
  await assertImageRuns(node, name, "hello");
  assert.equal((await ctr(node).checkImages()).get(name), "complete (4/4)");
  assert.deepEqual([await ctr(node).leases(), await ctr(node).ingests()], [[], []]);

  const id = "sleeper";
  await ctr(node).exec(["run", "-d", "--runc-root", node.runcRoot, name, id, "/bin/sleep", "600"]);
  const container = Number((await ctr(node).exec(["tasks", "ls"])).match(/sleeper\s+(\d+)/)?.[1]);
  assert.ok(isAlive(container));
  const directory = dirname(node.root);
  const running = findProcesses(directory, containerdProgramNames);
  assert.ok(
    running.length >= 3 && [node.pid, container].every((pid) => running.includes(pid)),
    "daemon, shim and container",
  );
  await node.stop();
  assert.deepEqual(running.filter(isAlive), []);
  assert.ok(!existsSync(directory));
  assert.ok(!readFileSync("/proc/self/mounts", "utf8").includes(node.root));
});

void test("a killed daemon starts again with its images", async (t) => {
  const node = await startContainerd({ name: "a", cleanup: createCleanup(t) });
  await loadImage(node, await buildRunnableImage({ output: "again" }), { names: [name] });
  const { pid } = node;
  await node.kill();
  assert.ok(!isAlive(pid));
  await node.restart();
  assert.notEqual(node.pid, pid);
  await assertImageRuns(node, name, "again");
});

void test("assertImageRuns fails for wrong output and for a missing layer", async (t) => {
  const node = await startContainerd({ name: "a", cleanup: createCleanup(t) });
  const image = await buildRunnableImage({ output: "right", layers: [{ files: { f: "f" } }] });
  await loadImage(node, image, { names: [name], without: [image.layers[1]?.digest ?? ""] });
  await assert.rejects(assertImageRuns(node, name, "wrong"), /AssertionError/);
  await assertImageRuns(node, name, "right", { fromBlobs: false });
  await assert.rejects(assertImageRuns(node, name, "right"), /not found/);
});

void test("content without references does not survive a forced garbage collection", async (t) => {
  const node = await startContainerd({ name: "a", cleanup: createCleanup(t) });
  const image = await buildImage({ layers: [{ files: { f: "f" } }] });
  await loadImage(node, image, { names: [name] });
  const manifest = image.descriptor.digest;
  const layer = image.layers[0]?.digest ?? "";
  await ctr(node).exec(["content", "label", manifest, "containerd.io/gc.ref.content.l.0="]);
  await ctr(node).forceGc();
  const left = new Set((await ctr(node).content()).map((record) => record.digest));
  assert.deepEqual([left.has(manifest), left.has(layer)], [true, false]);
});

void test("CRI lists an image with its digest and removes it with all its names", async (t) => {
  const node = await startContainerd({ name: "a", cleanup: createCleanup(t) });
  const image = await buildRunnableImage({ output: "x" });
  await loadImage(node, image, { names: [name, "registry.test:5000/other:v1"] });
  const [listed] = await listImages(node);
  assert.deepEqual(listed?.repoTags.toSorted(), [name, "registry.test:5000/other:v1"]);
  assert.deepEqual(listed.repoDigests.toSorted(), [
    `registry.test:5000/app@${image.descriptor.digest}`,
    `registry.test:5000/other@${image.descriptor.digest}`,
  ]);
  await removeImage(node, name);
  assert.equal(await imageStatus(node, name), undefined);
  assert.deepEqual(await ctr(node).images(), []);
});

void test("an image in another namespace stays out of CRI's sight", async (t) => {
  const node = await startContainerd({ name: "a", cleanup: createCleanup(t) });
  await loadImage(node, await buildImage({ layers: [{ files: { f: "f" } }] }), {
    names: [name],
    namespace: "moby",
  });
  assert.deepEqual(
    (await ctr(node, "moby").images()).map((record) => record.name),
    [name],
  );
  assert.deepEqual([await ctr(node).images(), await listImages(node)], [[], []]);
});

void test("an exported archive imports on a second node", async (t) => {
  const cleanup = createCleanup(t);
  const [one, two] = [
    await startContainerd({ name: "a", cleanup }),
    await startContainerd({ name: "b", cleanup }),
  ];
  const path = join(cleanup.directory(), "image.tar");
  const image = await buildRunnableImage({ output: "moved" });
  await writeOciArchive(path, { root: image.descriptor, names: [name], blobs: image.blobs.values() });
  await ctr(one).importImage(path);
  const exported = join(cleanup.directory(), "exported.tar");
  await ctr(one).exportImage(exported, [name]);
  await ctr(two).importImage(exported);
  await assertImageRuns(two, name, "moved");
});

void test("a root on a small tmpfs runs full", async (t) => {
  const cleanup = createCleanup(t);
  const node = await startContainerd({ name: "a", cleanup, tmpfsSize: 16 << 20 });
  const small = await buildImage({ layers: [{ files: { f: "f" } }] });
  await loadImage(node, small, { names: [name] });
  const size = 20 << 20;
  const large = await buildImage({
    layers: [{ files: { big: { size, fill: "random", seed: "s" } } }],
    dir: cleanup.directory(),
  });
  await assert.rejects(
    loadImage(node, large, { names: ["registry.test:5000/big:v1"] }),
    /no space left on device/,
  );
});

void test("the native snapshotter serves as CRI's, too", async (t) => {
  const node = await startContainerd({ name: "a", cleanup: createCleanup(t), snapshotter: "native" });
  await loadImage(node, await buildRunnableImage({ output: "native" }), { names: [name] });
  assert.equal((await ctr(node).snapshots("native")).length, 1);
  await assertImageRuns(node, name, "native");
});

void test("a daemon that cannot start is reported with what it said", async (t) => {
  const cleanup = createCleanup(t);
  const lan = await createNetwork({ cleanup });
  const network = await lan.addNode("a");
  await lan.close();
  const start = startContainerd({ name: "a", cleanup, network });
  await assert.rejects(start, /containerd a did not start; its log:\nnsenter: cannot open .*No such file/);
});

void test("a daemon runs in the network namespace given, and pulls over it", async (t) => {
  const cleanup = createCleanup(t);
  const lan = await createNetwork({ cleanup });
  const network = await lan.addNode("a");
  const node = await startContainerd({ name: "a", cleanup, network });
  assert.match((await run("ip", ["netns", "pids", network.netns])).stdout, new RegExp(`^${node.pid}$`, "m"));
  const registry = await startRegistry({ cleanup, host: lan.hostIp });
  await registry.add("app:v1", await buildRunnableImage({ output: "over the network" }));
  await registry.attach(node, "registry.test:5000");
  await pullImage(node, name);
  await assertImageRuns(node, name, "over the network");
});

/** Blob files on disk, without asking containerd. */
async function blobFiles(node: ContainerdNode): Promise<number> {
  return (await readdir(join(node.contentDir, "blobs", "sha256"))).length;
}

void test("the content directory holds the blobs", async (t) => {
  const node = await startContainerd({ name: "a", cleanup: createCleanup(t) });
  await loadImage(node, await buildImage({ layers: [{ files: { f: "f" } }] }), { names: [name] });
  await ctr(node).forceGc();
  assert.equal(await blobFiles(node), 3);
});
