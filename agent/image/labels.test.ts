import assert from "node:assert/strict";
import { test } from "node:test";

import { referredTo } from "./labels.ts";

test("labels name the content and the snapshots that a blob keeps, and others are no references", () => {
  const labels = {
    "containerd.io/gc.ref.content": "sha256:bare",
    "containerd.io/gc.ref.content.config": "sha256:config",
    "containerd.io/gc.ref.content.l.0": "sha256:layer",
    "containerd.io/gc.ref.content/l": "sha256:slash",
    "containerd.io/gc.ref.snapshot.overlayfs": "sha256:chain",
    "containerd.io/gc.ref.snapshot.native/x": "sha256:chain of another",
    "containerd.io/gc.ref.contents": "sha256:no",
    "containerd.io/uncompressed": "sha256:no",
    "containerd.io/distribution.source.registry.test": "shop/app",
  };
  assert.deepEqual(referredTo(labels), [
    { id: "sha256:bare", type: "content" },
    { id: "sha256:config", type: "content" },
    { id: "sha256:layer", type: "content" },
    { id: "sha256:slash", type: "content" },
    { id: "sha256:chain", type: "snapshots/overlayfs" },
    { id: "sha256:chain of another", type: "snapshots/native" },
  ]);
});
