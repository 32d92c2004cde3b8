import { setTimeout as sleep } from "node:timers/promises";

import type { Cluster } from "./cluster.ts";
import { allInstalledPods, metricOf, type InstalledPod } from "./installed-pods.ts";

/** What agents count, also those that are replaced meanwhile. */
export interface ByteLedger {
  /** Reads once more and ends; bytes of images that all agents have received since the start. */
  close(): Promise<number>;
}

const pollMs = 200;

/** Reads the counters of all agents again and again, so that little is missed of one that goes. */
export async function watchReceivedBytes(cluster: Cluster): Promise<ByteLedger> {
  const stop = new AbortController();
  /** by pod: when it was first seen, and last */
  const counted = new Map<string, { readonly first: number; last: number }>();
  async function read(pod: InstalledPod, isNew: boolean): Promise<void> {
    const value = await metricOf("agent", pod, "tote_agent_transfer_bytes_total", { direction: "import" });
    const known = counted.get(pod.name);
    if (known !== undefined) known.last = value;
    // one that started meanwhile began at 0
    else counted.set(pod.name, { first: isNew ? 0 : value, last: value });
  }
  const look = async (isNew: boolean): Promise<void> => {
    const pods = await allInstalledPods(cluster, "agent");
    const reads = await Promise.allSettled(pods.map((pod) => read(pod, isNew)));
    if (!isNew) for (const one of reads) if (one.status === "rejected") throw one.reason;
  };
  await look(false);
  const following = follow(look, stop.signal);
  return {
    async close() {
      stop.abort();
      await following;
      await look(true);
      return [...counted.values()].reduce((sum, { first, last }) => sum + last - first, 0);
    },
  };
}

async function follow(look: (isNew: boolean) => Promise<void>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await look(true);
    await sleep(pollMs, undefined, { signal }).catch(() => undefined);
  }
}
