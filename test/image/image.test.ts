import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { join, resolve } from "node:path";
import { after, before, suite, test } from "node:test";
import { fileURLToPath } from "node:url";

import { writeImageArchive, type WrittenImage } from "../../build/image/archive.ts";
import { NONROOT_ID } from "../../build/image/image-config.ts";
import { imageLayers } from "../../build/image/image-layers.ts";
import { asObject } from "../../controller/objects/json.ts";
import { toteVersion } from "../../lib/version.ts";
import { createCleanup } from "../harness/cleanup.ts";
import { startContainerd, type ContainerdNode } from "../harness/containerd-node.ts";
import { ctr } from "../harness/ctr.ts";
import { CommandError } from "../harness/run.ts";

/** compressed, in bytes */
const SIZE_GOAL = 120_000_000;
const IMAGE = "docker.io/library/tote:under-test";
const root = resolve(fileURLToPath(new URL("../..", import.meta.url)));

void suite("the image in a real containerd", () => {
  let node: ContainerdNode;
  let written: WrittenImage;
  let version: string;
  const cleanup = createCleanup();
  after(() => cleanup.run());

  before(async (t) => {
    version = await toteVersion();
    const path = join(cleanup.directory(), "tote.tar");
    const layers = await imageLayers({ root, node: process.execPath });
    const { signal } = t;
    const wanted = { path, names: [IMAGE], version, origin: { revision: "0123abc" }, layers, signal };
    [node, written] = await Promise.all([
      startContainerd({ name: "image", cleanup }),
      writeImageArchive(wanted),
    ]);
    await ctr(node).importImage(path, ["--snapshotter", node.snapshotter]);
  });

  /** As the chart runs it: the image's user, nothing writable, no capability. */
  function tote(...command: readonly string[]): Promise<string> {
    const flags = ["--rm", "--read-only", "--runc-root", node.runcRoot, "--snapshotter", node.snapshotter];
    const dropped = allCapabilities().flatMap((name) => ["--cap-drop", name]);
    const id = `image-${randomUUID().slice(0, 8)}`;
    return ctr(node).exec(["run", ...flags, ...dropped, IMAGE, id, ...command]);
  }

  void test("every command runs without a shell", async () => {
    assert.equal(await tote("tote", "version"), `tote ${version}\n`);
    assert.match(await tote("/usr/local/bin/tote", "agent", "--help"), /usage: tote agent/);
    assert.match(await tote("tote", "controller", "--help"), /usage: tote \[controller\]/);
    assert.match(await tote("tote", "webhook-relay", "--help"), /usage: tote webhook-relay/);
  });

  void test("it says which sources it was made of, when that was said, and nothing empty", async () => {
    const manifest = asObject(JSON.parse(await ctr(node).exec(["content", "get", written.digest])));
    const annotations = asObject(manifest["annotations"]);
    assert.equal(annotations["org.opencontainers.image.revision"], "0123abc");
    assert.ok(!("org.opencontainers.image.source" in annotations));
  });

  void test("it runs as nobody in particular and cannot write", async () => {
    const script = `try { fs.writeFileSync("/x", "") } catch (error) { console.log(process.getuid(), error.code) }`;
    assert.equal(await tote("node", "-e", script), `${NONROOT_ID} EROFS\n`);
  });

  void test("there is no shell to be had", async () => {
    await assert.rejects(tote("/bin/sh", "-c", "true"), (error: unknown) => {
      return error instanceof CommandError && /no such file/.test(error.message);
    });
  });

  void test("it is smaller than the goal", (t) => {
    const size = written.layers.reduce((sum, { compressed }) => sum + compressed, 0);
    t.diagnostic(`image of ${(size / 1e6).toFixed(1)} MB`);
    assert.ok(size < SIZE_GOAL, `${size} bytes`);
  });
});

void test("the same sources give the same image", async (t) => {
  const cleanup = createCleanup(t);
  // Node alone takes most of the time, and it is one file
  const layers = (await imageLayers({ root, node: process.execPath })).slice(1);
  const digests = await Promise.all(
    ["one", "two"].map(async (name) => {
      const path = join(cleanup.directory(), name);
      return (await writeImageArchive({ path, names: [IMAGE], version: "1", layers, signal: t.signal }))
        .digest;
    }),
  );
  assert.equal(digests[0], digests[1]);
});

/** What containers have by default. Source: containerd, oci.defaultUnixCaps. */
function allCapabilities(): readonly string[] {
  const short =
    "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE";
  return [...short.split(" "), "SYS_CHROOT", "KILL", "AUDIT_WRITE"].map((name) => `CAP_${name}`);
}
