import { setTimeout as sleep } from "node:timers/promises";

import type { ApiClient } from "../../controller/kube/api-client.ts";
import type { Cleanup } from "../harness/cleanup.ts";
import { run } from "../harness/run.ts";
import { startClusterDns } from "./cluster-dns.ts";
import type { Cluster } from "./cluster.ts";
import { ADDRESSES } from "./layout.ts";
import { machineOf } from "./network.ts";
import { natRules, servicePorts, type ServicePort } from "./service-rules.ts";

const pollMs = 300;

/**
 * Services for pods, in place of kube-proxy and CoreDNS: addresses by rules on each node, names by a DNS server on the
 * machine. They follow the API server until the cleanup; while it is away they stay as they are.
 */
export async function startServiceNetwork(cluster: Cluster, api: ApiClient, cleanup: Cleanup): Promise<void> {
  const stop = new AbortController();
  const { signal } = stop;
  let ports: readonly ServicePort[] = [];
  let rules = "";
  async function look(): Promise<void> {
    ports = servicePorts(
      await api.getPath("/api/v1/services", { signal }),
      await api.getPath("/api/v1/endpoints", { signal }),
    );
    const wanted = natRules(ports);
    if (wanted === rules) return;
    await restoreOnAll(cluster, wanted);
    rules = wanted;
  }
  await look();
  await startClusterDns(
    ADDRESSES.host,
    (service) => ports.find((port) => port.service === service)?.ip,
    cleanup,
  );
  const following = follow(look, signal);
  cleanup.add({
    name: "stop serving Services",
    undo: async () => {
      stop.abort();
      await following;
      await restoreOnAll(cluster, natRules([]));
    },
  });
}

async function follow(look: () => Promise<void>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await sleep(pollMs, undefined, { signal });
      await look();
    } catch {
      // the end, or an API server that is away: the next look is soon
    }
  }
}

async function restoreOnAll(cluster: Cluster, rules: string): Promise<void> {
  for (const { name, number } of cluster.nodes) {
    const [enter = "nsenter", ...prefix] = machineOf(name, ADDRESSES.node(number)).prefix;
    await run(enter, [...prefix, "iptables-restore", "--table", "nat"], { input: rules });
  }
}
