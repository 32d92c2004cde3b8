import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { NAMESPACE } from "../chart/helm.ts";
import { ORIGINAL_CRD, originalRecord } from "../control/original-crd.ts";
import type { Cleanup } from "../harness/cleanup.ts";
import { run } from "../harness/run.ts";
import { waitFor } from "../harness/wait.ts";
import { fetchKubeTools } from "../setup/fetch-kube-tools.ts";
import type { Cluster } from "./cluster.ts";
import { RELEASE } from "./release.ts";

/** Leaves what a release of the original tote leaves to an upgrade: its definition, by helm, and a record. */
export async function installOriginal({ kubectl, kubeconfig }: Cluster, cleanup: Cleanup): Promise<void> {
  const chart = join(cleanup.directory(), "original");
  const files: Readonly<Record<string, object>> = {
    "Chart.yaml": { apiVersion: "v2", name: "tote", version: "0.8.0" },
    "crds/salvagerecords.yaml": ORIGINAL_CRD,
    "templates/config.yaml": { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "original" } },
  };
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(chart, name, ".."), { recursive: true });
    // JSON is YAML
    await writeFile(join(chart, name), JSON.stringify(content));
  }
  const { helm } = await fetchKubeTools();
  const where = ["--namespace", NAMESPACE, "--create-namespace"];
  await run(helm, ["install", RELEASE, chart, ...where], { env: { KUBECONFIG: kubeconfig } });
  await waitFor(
    "the original's record to be taken",
    async () => {
      await kubectl.apply(originalRecord("default", "web-1"));
      return true;
    },
    { timeoutMs: 60_000, intervalMs: 300 },
  );
}
