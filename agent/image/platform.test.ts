import assert from "node:assert/strict";
import { test } from "node:test";

import { formatPlatform, normalisePlatform, platformOfProcess, platformRank } from "./platform.ts";

const node = (text: string) => {
  const [os = "", architecture = "", variant = ""] = text.split("/");
  return normalisePlatform({ os, architecture, variant });
};

// containerd's platforms.Normalize
for (const [given, expected] of [
  ["Linux/x86_64", "linux/amd64"],
  ["linux/amd64/v1", "linux/amd64"],
  ["linux/amd64/v3", "linux/amd64/v3"],
  ["linux/aarch64/v8", "linux/arm64"],
  ["linux/arm", "linux/arm/v7"],
  ["linux/armhf", "linux/arm/v7"],
  ["linux/armel", "linux/arm/v6"],
  ["linux/arm/6", "linux/arm/v6"],
  ["linux/i386", "linux/386"],
] as const) {
  test(`${given} is ${expected}`, () => assert.equal(formatPlatform(node(given)), expected));
}

// containerd's platforms.Only: what runs, best first
for (const [on, best, second, never] of [
  ["linux/amd64", "linux/amd64", "linux/386", "linux/arm64"],
  ["linux/amd64", "linux/amd64", "linux/386", "linux/amd64/v2"],
  ["linux/amd64/v3", "linux/amd64/v3", "linux/amd64/v2", "linux/amd64/v4"],
  ["linux/arm64", "linux/arm64/v8", "linux/arm/v8", "linux/amd64"],
  ["linux/arm/v7", "linux/arm/v7", "linux/arm/v6", "linux/arm64"],
  ["linux/s390x", "linux/s390x", undefined, "windows/s390x"],
  ["linux/amd64", "linux/amd64", undefined, "unknown/unknown"],
] as const) {
  test(`${on} takes ${best} before ${second ?? "nothing"}, never ${never}`, () => {
    const rank = (text: string) => {
      const [os = "", architecture = "", variant = ""] = text.split("/");
      return platformRank(node(on), { os, architecture, variant });
    };
    assert.equal(rank(best), 0);
    if (second !== undefined) assert.ok((rank(second) ?? 0) > 0, `${second} ranks ${rank(second)}`);
    assert.equal(rank(never), undefined);
  });
}

test("node's names of architectures become go's", () => {
  assert.equal(formatPlatform(platformOfProcess("x64")), "linux/amd64");
  assert.equal(formatPlatform(platformOfProcess("arm64")), "linux/arm64");
});
