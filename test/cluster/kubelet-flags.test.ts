import assert from "node:assert/strict";
import { test } from "node:test";

import { kubeletFlags } from "./kubelet-flags.ts";

test("a kubelet gets the flags that its version knows", () => {
  for (const old of ["Kubernetes v1.20.2", "Kubernetes v1.23.17+k3s1"]) {
    assert.deepEqual(kubeletFlags(old), ["--container-runtime=remote"], old);
  }
  for (const young of [
    "Kubernetes v1.24.0",
    "Kubernetes v1.27.0-rc.0",
    "Kubernetes v1.100.1",
    "Kubernetes v2.0.0",
  ]) {
    assert.deepEqual(kubeletFlags(young), [], young);
  }
  assert.throws(() => kubeletFlags("dev"), /no version of a kubelet: "dev"/);
});
