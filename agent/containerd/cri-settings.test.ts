import assert from "node:assert/strict";
import { test } from "node:test";

import { readCriSettings } from "./cri-settings.ts";
import type { PluginInfo } from "./types.ts";

function snapshotter(id: string, root?: string): PluginInfo {
  const exports: Record<string, string> = root === undefined ? {} : { root };
  return {
    type: "io.containerd.snapshotter.v1",
    id,
    platforms: [],
    exports,
    capabilities: [],
    initError: undefined,
  };
}

const below = "/var/lib/containerd/io.containerd.snapshotter.v1";

void test("containerd 1.x tells both in its configuration, whatever the mountpoint says", () => {
  for (const discardUnpackedLayers of [true, false]) {
    const config = { containerd: { snapshotter: "native", discardUnpackedLayers, runtimes: { runc: {} } } };
    const settings = readCriSettings(JSON.stringify(config), `${below}.overlayfs`, []);
    assert.deepEqual(settings, { snapshotter: "native", discardUnpackedLayers });
  }
});

void test("the default runtime's own snapshotter is the one that containers use", () => {
  const runtimes = { runc: { snapshotter: "" }, kata: { snapshotter: "devmapper" } };
  for (const [defaultRuntimeName, expected] of [
    ["runc", "overlayfs"],
    ["kata", "devmapper"],
    ["gone", "overlayfs"],
  ]) {
    const config = {
      containerd: { snapshotter: "overlayfs", discardUnpackedLayers: false, defaultRuntimeName, runtimes },
    };
    assert.equal(readCriSettings(JSON.stringify(config), undefined, []).snapshotter, expected);
  }
});

void test("containerd 2.x tells neither: the mountpoint names the snapshotter, and layers are unknown", () => {
  const config = JSON.stringify({
    containerd: { defaultRuntimeName: "runc", runtimes: { runc: { snapshotter: "" } } },
  });
  assert.deepEqual(readCriSettings(config, `${below}.zfs`, []), {
    snapshotter: "zfs",
    discardUnpackedLayers: undefined,
  });
});

void test("a snapshotter with a root of its own is found by that root", () => {
  const plugins = [
    snapshotter("native"),
    snapshotter("overlayfs", `${below}.overlayfs`),
    snapshotter("zfs", "/tank"),
  ];
  assert.equal(readCriSettings("{}", "/tank", plugins).snapshotter, "zfs");
});

void test("with nothing to go by it is containerd's default", () => {
  for (const config of [undefined, "null", "{}", '{"containerd":{"runtimes":null}}']) {
    const settings = readCriSettings(config, "/elsewhere", [snapshotter("native")]);
    assert.deepEqual(settings, { snapshotter: "overlayfs", discardUnpackedLayers: undefined });
  }
});
