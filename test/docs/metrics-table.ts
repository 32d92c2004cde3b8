import { Registry } from "prom-client";

import { createAgentMetrics } from "../../agent/metrics.ts";
import { createMetricsInterceptor } from "../../agent/rpc/metrics.ts";
import { registerInsecurity } from "../../controller/insecurity.ts";
import { createKubeMetrics } from "../../controller/kube/metrics.ts";
import { createControllerMetrics } from "../../controller/report/metrics.ts";
import { registerWebhookMetrics } from "../../controller/webhook/webhook-server.ts";
import { registerTlsMetrics } from "../../lib/tls-metrics.ts";
import { registerDurability } from "../../webhook-relay/durability.ts";
import { createRelayMetrics } from "../../webhook-relay/metrics.ts";
import { table } from "./markdown.ts";

/** A service that serves metrics. */
export const SERVICES = ["controller", "agent", "webhook-relay"] as const;
export type Service = (typeof SERVICES)[number];

const NOTHING_FAILS = {
  counts: { ignored: 0, pending: 0, transferring: 0, recovering: 0, not_actionable: 0, failed: 0 },
  oldestAgeMs: 0,
};

/** A registry with every metric that a service may have. */
export function registryOf(service: Service): Registry {
  const registry = new Registry();
  switch (service) {
    case "controller":
      createControllerMetrics({ registry, failingNow: () => NOTHING_FAILS });
      createKubeMetrics(registry).showElector({ term: undefined });
      registerWebhookMetrics(registry);
      registerInsecurity(registry, false);
      break;
    case "agent":
      createAgentMetrics({ registry, isInsecure: false, activeTransfers: () => 0 });
      createMetricsInterceptor({ registry, services: [], now: () => 0 });
      break;
    case "webhook-relay":
      createRelayMetrics({
        registry,
        counts: () => [],
        size: () => ({ used: 0, file: 0 }),
        now: () => 0,
      });
      registerDurability(registry, false);
      break;
  }
  registerTlsMetrics(registry, {});
  return registry;
}

/** Names of a service's metrics. */
export function metricNames(service: Service): readonly string[] {
  return registryOf(service)
    .getMetricsAsArray()
    .map(({ name }) => name);
}

/** The metrics of a service in Markdown, by name. */
export function metricsTable(service: Service): string {
  const metrics = registryOf(service).getMetricsAsArray();
  const rows = metrics
    .map((metric) => [`\`${metric.name}\``, typeOf(metric), labelsOf(metric), metric.help])
    .sort(([a = ""], [b = ""]) => (a < b ? -1 : 1));
  return table(["metric", "type", "labels", "what it is"], rows);
}

function typeOf(metric: object): string {
  return metric.constructor.name.toLowerCase();
}

function labelsOf(metric: object): string {
  const names: unknown = "labelNames" in metric ? metric.labelNames : [];
  if (!Array.isArray(names)) throw new Error("a metric without a list of labels");
  return names.map((name) => `\`${String(name)}\``).join(", ");
}
