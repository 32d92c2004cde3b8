import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Code, ConnectError } from "@connectrpc/connect";

import { imageStatus } from "../harness/cri.ts";
import { loadImage } from "../harness/load-image.ts";
import { startSharedRig, type Rig } from "../harness/rig.ts";
import { uniqueImage, type UniqueImage } from "../harness/unique-image.ts";
import { waitFor } from "../harness/wait.ts";

describe("a name is removed from a node", () => {
  let rig: Rig;
  let here: UniqueImage;
  before(async () => {
    rig = await startSharedRig({ b: {} });
    here = await uniqueImage("removable", { layers: [1000] });
  });
  after(() => rig.cleanup.run());

  const other = "registry.test:5000/removable:v2";
  const digest = (): string => here.image.descriptor.digest;
  const load = () => loadImage(rig.node("b").containerd, here.image, { names: [here.name, other] });
  const remove = (name: string, wanted: string) =>
    rig.node("b").controller.removeImage({ name, digest: wanted });
  const names = async (): Promise<readonly string[]> =>
    (await rig.node("b").ctr.images()).map(({ name }) => name).sort();

  test("that points at the digest given: it goes, the image's other names stay, and the kubelet sees it gone", async () => {
    await load();
    const all = await names();
    assert.ok(all.includes(here.name));
    const { removed } = await remove(here.name, digest());
    assert.equal(removed, true);
    assert.deepEqual(
      await names(),
      all.filter((name) => name !== here.name),
    );
    const { containerd } = rig.node("b");
    await waitFor("CRI to miss it", async () => (await imageStatus(containerd, here.name)) === undefined);
    assert.equal((await imageStatus(containerd, other))?.id, here.image.config.digest);
  });

  test("in the short form that pods use: it is the same name", async () => {
    const short = await uniqueImage("short", { layers: [1000] });
    const { containerd } = rig.node("b");
    await loadImage(containerd, short.image, { names: ["docker.io/library/short:latest"] });
    assert.equal((await remove("short", short.image.descriptor.digest)).removed, true);
    assert.ok(!(await names()).includes("docker.io/library/short:latest"));
  });

  test("that points at another digest: it stays, and the answer names both", async () => {
    await load();
    const all = await names();
    const wanted = `sha256:${"1".repeat(64)}`;
    await assert.rejects(remove(here.name, wanted), (error) => {
      assert.ok(error instanceof ConnectError);
      assert.equal(error.code, Code.FailedPrecondition);
      assert.equal(
        error.rawMessage,
        `${here.name} points at ${digest()}, not at ${wanted}: nothing was removed`,
      );
      return true;
    });
    assert.deepEqual(await names(), all);
  });

  test("of an image that can be run: it stays when the caller removes only what is broken", async () => {
    await load();
    const all = await names();
    const request = { name: here.name, digest: digest(), keepRunnable: true };
    await assert.rejects(rig.node("b").controller.removeImage(request), (error) => {
      assert.ok(error instanceof ConnectError);
      assert.equal(error.code, Code.FailedPrecondition);
      assert.equal(
        error.rawMessage,
        `${here.name} can be run on node b, all of ${digest()} is here: nothing was removed`,
      );
      return true;
    });
    assert.deepEqual(await names(), all);
  });

  test("of an image whose content is missing: it goes then, too", async () => {
    const broken = await uniqueImage("broken", { layers: [1000] });
    const without = broken.image.layers.slice(1).map((layer) => layer.digest);
    await loadImage(rig.node("b").containerd, broken.image, { names: [broken.name], without, unpack: false });
    const request = { name: broken.name, digest: broken.image.descriptor.digest, keepRunnable: true };
    assert.equal((await rig.node("b").controller.removeImage(request)).removed, true);
    assert.ok(!(await names()).includes(broken.name));
  });

  test("that is not there: the answer says so", async () => {
    const all = await names();
    assert.equal((await remove("registry.test:5000/unknown:v1", digest())).removed, false);
    assert.deepEqual(await names(), all);
  });

  test("that is none, or with a digest that is none: it is refused", async () => {
    for (const [name, wanted, words] of [
      ["UPPER case", digest(), /^name: /],
      [here.name, "sha256:abc", /^digest: /],
    ] as const) {
      await assert.rejects(remove(name, wanted), (error) => {
        assert.ok(error instanceof ConnectError);
        assert.equal(error.code, Code.InvalidArgument);
        assert.match(error.rawMessage, words);
        return true;
      });
    }
  });
});
