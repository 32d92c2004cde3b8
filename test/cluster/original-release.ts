import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { asObject, asText } from "../../controller/objects/json.ts";
import { NAMESPACE } from "../chart/helm.ts";
import { ORIGINAL_CRD, originalRecord } from "../control/original-crd.ts";
import type { Cleanup } from "../harness/cleanup.ts";
import { run } from "../harness/run.ts";
import { waitFor } from "../harness/wait.ts";
import { fetchKubeTools } from "../setup/fetch-kube-tools.ts";
import type { Cluster } from "./cluster.ts";
import type { Kubectl } from "./kubectl.ts";
import { RELEASE } from "./release.ts";

/** What the original's chart made since its selectors name a component, as far as an upgrade meets it. */
export const ADOPTED = [
  "deployment/tote",
  "daemonset/tote-agent",
  "service/tote-metrics",
  "service/tote-webhook",
  "poddisruptionbudget/tote",
] as const;

/** Leaves what a release of the original tote leaves to an upgrade: its definition, by helm, its workloads, and a record. */
export async function installOriginal({ kubectl, kubeconfig }: Cluster, cleanup: Cleanup): Promise<void> {
  const chart = join(cleanup.directory(), "original");
  const files: Readonly<Record<string, object>> = {
    "Chart.yaml": { apiVersion: "v2", name: "tote", version: "0.8.0" },
    "crds/salvagerecords.yaml": ORIGINAL_CRD,
    "templates/controller.yaml": workload("Deployment", "tote", "controller"),
    "templates/agent.yaml": workload("DaemonSet", "tote-agent", "agent"),
    "templates/metrics.yaml": service("tote-metrics", {
      clusterIP: "None",
      ports: [{ name: "metrics", port: 8080, targetPort: "metrics", protocol: "TCP" }],
    }),
    "templates/webhook.yaml": service("tote-webhook", {
      ports: [{ port: 443, targetPort: 9443, protocol: "TCP" }],
    }),
    "templates/budget.yaml": {
      apiVersion: "policy/v1beta1",
      kind: "PodDisruptionBudget",
      metadata: metadata("tote", "controller"),
      spec: { minAvailable: 1, selector: { matchLabels: labels("controller") } },
    },
  };
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(chart, name, ".."), { recursive: true });
    // JSON is YAML
    await writeFile(join(chart, name), JSON.stringify(content));
  }
  const { helm } = await fetchKubeTools();
  const where = ["--namespace", NAMESPACE, "--create-namespace"];
  await run(helm, ["install", RELEASE, chart, ...where], { env: { KUBECONFIG: kubeconfig } });
  for (const what of ADOPTED.slice(0, 2)) {
    await kubectl(["rollout", "status", what, "--namespace", NAMESPACE, "--timeout=120s"]);
  }
  await waitFor(
    "the original's record to be taken",
    async () => {
      await kubectl.apply(originalRecord("default", "web-1"));
      return true;
    },
    { timeoutMs: 60_000, intervalMs: 300 },
  );
}

/** The uids of what is adopted: one that was made anew has another. */
export async function adoptedUids(kubectl: Kubectl): Promise<readonly string[]> {
  const found: string[] = [];
  for (const what of ADOPTED) {
    const { metadata: of } = asObject(await kubectl.get(what, "--namespace", NAMESPACE));
    found.push(`${what} ${asText(asObject(of)["uid"])}`);
  }
  return found;
}

/** It runs and does nothing: today's image in the place of one that no registry of the tests has. */
function workload(kind: "Deployment" | "DaemonSet", name: string, component: string): object {
  const container = {
    name: "tote",
    image: "tote:0.1.0",
    imagePullPolicy: "Never",
    args: ["controller", "--enabled=false", "--insecure"],
    ports: [{ name: "metrics", containerPort: 8080, protocol: "TCP" }],
    securityContext: { readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } },
  };
  const template = { metadata: { labels: labels(component) }, spec: { containers: [container] } };
  const spec = { selector: { matchLabels: labels(component) }, template };
  return { apiVersion: "apps/v1", kind, metadata: metadata(name, component), spec };
}

function service(name: string, spec: object): object {
  const own = { ...spec, selector: labels("controller") };
  return { apiVersion: "v1", kind: "Service", metadata: metadata(name, "controller"), spec: own };
}

function metadata(name: string, component: string): object {
  return { name, labels: { ...labels(component), "helm.sh/chart": "tote-0.8.0" } };
}

function labels(component: string): Readonly<Record<string, string>> {
  return {
    "app.kubernetes.io/name": "tote",
    "app.kubernetes.io/instance": RELEASE,
    "app.kubernetes.io/component": component,
  };
}
