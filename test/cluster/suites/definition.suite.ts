import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, before, describe, test } from "node:test";

import { PODS, SALVAGE_RECORDS } from "../../../controller/kube/resources.ts";
import { asObject } from "../../../controller/objects/json.ts";
import { createCleanup, type Cleanup } from "../../harness/cleanup.ts";
import { waitFor } from "../../harness/wait.ts";
import { openApi, type ApiAccess } from "../api-access.ts";
import { findKubectl } from "../kubernetes-binaries.ts";
import { makeTestAccount, type TestAccount } from "../test-account.ts";
import { barePod, container, order, type Manifest } from "../workloads.ts";

const signal = new AbortController().signal;
const patienceMs = 120_000;
const DIGEST = `sha256:${"5a".repeat(32)}`;

describe("what the API server makes of tote's objects", () => {
  let cleanup: Cleanup;
  let access: ApiAccess;
  /** with the rights of the controller */
  let account: TestAccount;
  before(async () => {
    cleanup = createCleanup();
    access = await openApi(cleanup);
    account = await makeTestAccount(access, cleanup);
  });
  after(() => cleanup.run());

  test("the definition has a structural schema that refuses what is no order", async () => {
    const namespace = await access.namespace("schema");
    for (const spec of [
      {},
      { targetNode: "n1" },
      { targetNode: "n1", digest: "latest" },
      { imageRef: "registry.test:5000/app:v1" },
    ]) {
      await assert.rejects(
        access.kubectl.apply(order(namespace, spec)),
        /is invalid|ValidationError/,
        JSON.stringify(spec),
      );
    }
    assert.deepEqual(asObject(await access.kubectl.get("salvagerecords", "-n", namespace))["items"], []);
  });

  test("kubectl shows a record in columns, and as it goes", async () => {
    const { kubectl, kubeconfig } = access;
    const namespace = await access.namespace("columns");
    const columns = ["get", "salvagerecords", "--namespace", namespace];
    const args = ["--kubeconfig", kubeconfig, ...columns, "--watch"];
    const watch = spawn(findKubectl(), args, { stdio: ["ignore", "pipe", "ignore"] });
    cleanup.add({ name: "end kubectl --watch", undo: () => Promise.resolve(void watch.kill()) });
    let watched = "";
    watch.stdout.on("data", (piece: Buffer) => (watched += piece.toString()));
    await kubectl.apply(order(namespace, { digest: DIGEST, targetNode: "n2" }));
    const key = { namespace, name: "by-hand" };
    for (const status of [
      { phase: "Transferring", digest: DIGEST, sources: ["n1"], progress: "25%" },
      { phase: "Completed", digest: DIGEST, sources: ["n1"], progress: "100%", reason: "Salvaged" },
    ]) {
      const { phase } = status;
      const record = await account.api.get(SALVAGE_RECORDS, key, { signal });
      const changed = { ...record, status };
      await account.api.replace(SALVAGE_RECORDS, changed, { signal, subresource: "status" });
      try {
        await waitFor(
          `the watch to show ${phase}`,
          () => new RegExp(`^by-hand .* ${phase} `, "m").test(watched),
          {
            timeoutMs: patienceMs,
          },
        );
      } catch (error) {
        throw new Error(`the watch has shown "${watched}"`, { cause: error });
      }
    }
    watch.kill();
    for (const line of watched.trim().split("\n")) assert.ok(line.length < 200, `too long to read: ${line}`);
    const [head = "", row = ""] = (await kubectl(columns)).stdout.split("\n");
    const titles = ["NAME", "DIGEST", "SOURCE", "TARGET", "PHASE", "PROGRESS", "REASON", "AGE"];
    assert.deepEqual(head.trim().split(/\s+/), titles);
    assert.match(row, new RegExp(`^by-hand +${DIGEST} +n1 +n2 +Completed +100% +Salvaged +`));
  });

  test("a patch of a pod's status brings an annotation through, and no image", async () => {
    const namespace = await access.namespace("nudge");
    // it need not run
    const containers = [container("registry.test:5000/none:v1")];
    await access.kubectl.apply(barePod({ name: "web", namespace, containers }));
    const key = { namespace, name: "web" };
    await account.api.patch(
      PODS,
      key,
      {
        metadata: { annotations: { "tote.dev/nudged-at": "now" } },
        spec: { containers: [{ name: "app", image: "evil" }] },
      },
      { signal, subresource: "status" },
    );
    const now: Manifest = { ...(await account.api.get(PODS, key, { signal })) };
    assert.match(JSON.stringify(now["metadata"]), /"tote.dev\/nudged-at":"now"/);
    assert.doesNotMatch(JSON.stringify(now["spec"]), /evil/);
  });
});
