import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { asObject, asObjects } from "../../../controller/objects/json.ts";
import { CHART, NAMESPACE } from "../../chart/helm.ts";
import { createCleanup, type Cleanup } from "../../harness/cleanup.ts";
import { harnessConfig } from "../../harness/config.ts";
import { startProcess } from "../../harness/processes.ts";
import { run } from "../../harness/run.ts";
import { waitFor } from "../../harness/wait.ts";
import { fetchKubeTools } from "../../setup/fetch-kube-tools.ts";
import { orphanImages } from "../installed-transfers.ts";
import { controllerLogs, installWithHelm, type Installed } from "../installed.ts";
import { adoptedUids, installOriginal } from "../original-release.ts";
import { startPrometheus } from "../prometheus.ts";
import { barePod, container } from "../workloads.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const patienceMs = 180_000;

/** `helm upgrade` of a release of the original tote: its definition and a record are there. */
describe("tote in the place of the original, and what people do with it", () => {
  let cleanup: Cleanup;
  let installed: Installed;
  /** uids of what the original has left */
  let originals: readonly string[];
  before(async () => {
    cleanup = createCleanup();
    installed = await installWithHelm(cleanup, async (cluster) => {
      await installOriginal(cluster, cleanup);
      originals = await adoptedUids(cluster.kubectl);
    });
  });
  afterEach(() => installed.assertPodsKept());
  after(() => cleanup.run());

  /** Runs an example of docs/rpc.md in a folder, with today's kubectl. */
  async function example(
    name: string,
    folder: string,
  ): Promise<readonly [string, Readonly<Record<string, string>>]> {
    const page = await readFile(join(ROOT, "docs/rpc.md"), "utf8");
    const code = new RegExp(`<!-- cluster example: ${name} -->\\s*\`\`\`sh\\n([^]*?)\`\`\``).exec(page)?.[1];
    if (code === undefined) throw new Error(`docs/rpc.md has no cluster example "${name}"`);
    const { kubectl } = await fetchKubeTools();
    const path = [dirname(kubectl), join(ROOT, "node_modules/.bin"), harnessConfig().inherited["PATH"]].join(
      ":",
    );
    const env = { PATH: path, KUBECONFIG: installed.cluster.kubeconfig, NODE: "n2", HOME: folder };
    return [`set -euo pipefail; cd "${folder}"\n${code}`, env];
  }
  async function runExample(name: string, folder: string): Promise<string> {
    const [script, env] = await example(name, folder);
    return (await run("bash", ["-c", script], { env })).stdout;
  }

  test("the old definition holds it back, the line that it says puts that right, and old records are history", async () => {
    const { cluster } = installed;
    const command = await waitFor(
      "the controller to say what to do",
      async () =>
        /kubectl apply --server-side --force-conflicts -f \S+/.exec(await controllerLogs(cluster))?.[0],
      { timeoutMs: patienceMs, intervalMs: 500 },
    );
    assert.match(command, /salvagerecords/);
    const { kubectl } = await fetchKubeTools();
    const line = [
      "apply",
      "--server-side",
      "--force-conflicts",
      "-f",
      join(CHART, "crds/salvagerecords.yaml"),
    ];
    await run(kubectl, line, { env: { KUBECONFIG: cluster.kubeconfig } });
    await installed.waitForReady();
    const record = await installed.waitForRecord(
      "default",
      "is history",
      ({ status }) => status.reason === "Legacy",
      patienceMs,
    );
    assert.equal(record.status.phase, "Completed");
    assert.equal(record.spec.sourceNode, "a");
  });

  test("the original's objects are taken over, not made anew, and nothing of it still runs", async () => {
    const { cluster } = installed;
    assert.deepEqual(await adoptedUids(cluster.kubectl), originals);
    const pods = await installed.pods(NAMESPACE);
    const names = pods.flatMap(({ containers }) => containers.map(({ name }) => name));
    assert.deepEqual(names.toSorted(), ["agent", "agent", "agent", "controller", "controller", "relay"]);
  });

  test("Prometheus finds all of it, and alerts fire", async () => {
    const { cluster } = installed;
    const prometheus = await startPrometheus(cluster, cleanup);
    await waitFor(
      "all targets to be up",
      async () => {
        const targets = await prometheus.targets();
        return targets.length === 6 && targets.every((target) => target.endsWith(" up"));
      },
      { timeoutMs: patienceMs, intervalMs: 500 },
    );
    assert.deepEqual(await prometheus.firing(), []);
    const orphans = await orphanImages(installed, "alerts", { count: 1, bytes: 1_000_000, sources: ["n1"] });
    await orphans.want(0, "n2");
    await orphans.arrived(0);
    const containers = [container("registry.test:5000/nobody/has:v1")];
    await installed.apply(barePod({ name: "lost", namespace: orphans.namespace, node: "n3", containers }));
    for (const alert of ["ToteSalvageOccurred", "ToteImagePullFailureDetected"]) {
      await waitFor(`${alert} to fire`, async () => (await prometheus.firing()).includes(alert), {
        timeoutMs: patienceMs,
        intervalMs: 500,
      });
    }
  });

  test("curl, reflection and buf reach an agent with the operator's certificate, as docs/rpc.md says", async () => {
    const folder = cleanup.directory();
    await runExample("certificates", folder);
    const [script, env] = await example("port-forward", folder);
    const forward = startProcess({
      name: "port-forward",
      command: "bash",
      // the one process, so that it ends with the test
      args: ["-c", script.replace(/^kubectl /m, "exec kubectl ")],
      env,
      cleanup,
    });
    await waitFor("the port to be forwarded", () => /Forwarding from/.test(forward.logs()), {
      timeoutMs: patienceMs,
    });
    const node = asObject(JSON.parse(await runExample("curl", folder)));
    assert.equal(node["nodeName"], "n2");
    assert.equal(node["keepsLayers"], true);
    assert.match(await runExample("reflection", folder), /^tote\.agent\.v1\.AgentService$/m);
    const images = asObjects(asObject(JSON.parse(await runExample("buf", folder)))["images"], 1000);
    const names = images.flatMap(({ names: all }) => (Array.isArray(all) ? all : []));
    assert.ok(names.includes("docker.io/library/tote:0.1.0"), names.join(", "));
    await forward.stop();
  });
});
