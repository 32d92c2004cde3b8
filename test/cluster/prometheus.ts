import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { asObject, asObjects, asText } from "../../controller/objects/json.ts";
import { CHART, NAMESPACE } from "../chart/helm.ts";
import type { Cleanup } from "../harness/cleanup.ts";
import { freePorts } from "../harness/ports.ts";
import { startProcess } from "../harness/processes.ts";
import { GiveUp, waitFor } from "../harness/wait.ts";
import type { Cluster } from "./cluster.ts";
import { installedPods, METRICS_PORTS, type Component } from "./installed-pods.ts";

/** Debian's Prometheus with the chart's alerts. */
export interface Prometheus {
  /** names of the alerts that fire */
  firing(): Promise<readonly string[]>;
  /** "job health" of every target that is scraped */
  targets(): Promise<readonly string[]>;
}

const MAX = 1000;
/** often, because a test waits */
const INTERVAL = "2s";

/** Starts one that scrapes the pods that the release has now (Debian's cannot ask the API server for them). */
export async function startPrometheus(cluster: Cluster, cleanup: Cleanup): Promise<Prometheus> {
  const folder = cleanup.directory();
  const [port = 0] = await freePorts(1);
  const job = async (name: string, component: Component): Promise<object> => ({
    job_name: name,
    static_configs: [
      {
        targets: (await installedPods(cluster, component)).map(
          ({ ip }) => `${ip}:${METRICS_PORTS[component]}`,
        ),
      },
    ],
  });
  const config = {
    global: { scrape_interval: INTERVAL, evaluation_interval: INTERVAL },
    rule_files: [join(CHART, "files", "alerts.yaml")],
    scrape_configs: [
      // named as the Prometheus Operator names what a ServiceMonitor and PodMonitors find
      await job("tote-metrics", "controller"),
      await job(`${NAMESPACE}/tote-agent`, "agent"),
      await job(`${NAMESPACE}/tote-relay`, "relay"),
    ],
  };
  const file = join(folder, "prometheus.yml");
  // JSON is YAML
  await writeFile(file, JSON.stringify(config));
  const base = `http://127.0.0.1:${port}`;
  const child = startProcess({
    name: "prometheus",
    command: "prometheus",
    args: [
      `--config.file=${file}`,
      `--storage.tsdb.path=${join(folder, "prometheus")}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    cleanup,
  });
  const data = async (path: string): Promise<Readonly<Record<string, unknown>>> => {
    const answer = await fetch(`${base}/api/v1/${path}`, { signal: AbortSignal.timeout(5000) });
    return asObject(asObject(await answer.json())["data"]);
  };
  await waitFor(
    `Prometheus at ${base}`,
    async () => {
      if (child.status() !== undefined) throw new GiveUp("it has ended");
      return (await fetch(`${base}/-/ready`, { signal: AbortSignal.timeout(2000) })).ok;
    },
    { timeoutMs: 60_000 },
  ).catch((error: unknown) => {
    throw new Error(`Prometheus did not start:\n${child.logs()}`, { cause: error });
  });
  return {
    async firing() {
      return asObjects((await data("alerts"))["alerts"], MAX)
        .filter(({ state }) => state === "firing")
        .map(({ labels }) => asText(asObject(labels)["alertname"]));
    },
    async targets() {
      return asObjects((await data("targets"))["activeTargets"], MAX)
        .map(({ labels, health }) => `${asText(asObject(labels)["job"])} ${asText(health)}`)
        .toSorted();
    },
  };
}
