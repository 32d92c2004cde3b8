import assert from "node:assert/strict";
import { test } from "node:test";
import { containerdConfig } from "./containerd-config.ts";

const settings = {
  root: "/r",
  state: "/s",
  socket: "/c.sock",
  scratch: "/x",
  configPath: "/certs",
  runcRoot: "/runc",
  snapshotter: "native",
  discardUnpackedLayers: true,
  contentSharingPolicy: "isolated",
  sandboxImage: "registry.test/pause:1",
  platform: "linux/amd64",
} as const;

/** lines of one table, up to the next */
function table(config: string, name: string): string {
  const start = config.indexOf(`\n[${name}]\n`);
  assert.notEqual(start, -1, `no table ${name} in\n${config}`);
  return config.slice(start).split("\n\n")[0] ?? "";
}

void test("containerd 1.x gets version 2 with everything about images below the CRI plugin", () => {
  const config = containerdConfig({ ...settings, major: 1 });
  assert.match(config, /^version = 2\n/);
  const cri = 'plugins."io.containerd.grpc.v1.cri"';
  assert.match(table(config, `${cri}.containerd`), /snapshotter = "native"\ndiscard_unpacked_layers = true/);
  assert.match(table(config, `${cri}.registry`), /config_path = "\/certs"/);
  assert.match(table(config, cri), /disable_tcp_service = true/);
});

void test("containerd 2.x gets version 3 with the split CRI plugins", () => {
  const config = containerdConfig({ ...settings, major: 2 });
  assert.match(config, /^version = 3\n/);
  const images = 'plugins."io.containerd.cri.v1.images"';
  assert.match(table(config, images), /snapshotter = "native"\ndiscard_unpacked_layers = true/);
  assert.match(table(config, `${images}.registry`), /config_path = "\/certs"/);
  assert.match(config, /\n\[\[plugins."io.containerd.transfer.v1.local".unpack_config\]\]\n/);
});

void test("both keep their sockets and state below the folders given", () => {
  for (const major of [1, 2] as const) {
    const config = containerdConfig({ ...settings, major });
    assert.match(table(config, "grpc"), /address = "\/c.sock"/);
    assert.match(table(config, "ttrpc"), /address = "\/c.sock.ttrpc"/);
    assert.match(table(config, 'plugins."io.containerd.metadata.v1.bolt"'), /"isolated"/);
    assert.match(table(config, 'plugins."io.containerd.nri.v1.nri"'), /disable = true/);
  }
});
