import { asObject, asObjects, asText } from "../../controller/objects/json.ts";
import type { Cleanup } from "../harness/cleanup.ts";
import { waitFor } from "../harness/wait.ts";
import type { Cluster } from "./cluster.ts";
import type { Kubectl } from "./kubectl.ts";
import type { NodeSettings } from "./node-config.ts";

const readyTimeoutMs = 180_000;
const MAX_CONDITIONS = 100;

/** For tests that change a node's settings: the cleanup gives it its own again, whatever happens. */
export function resetNodeAtEnd(cluster: Cluster, cleanup: Cleanup, name: string): void {
  cleanup.add({ name: `give ${name} its own settings`, undo: () => restartNode(cluster, name, {}) });
}

/** Restarts a node's containerd and kubelet with settings (those it was made with: {}); returns when the new kubelet is ready. */
export async function restartNode(cluster: Cluster, name: string, settings: NodeSettings): Promise<void> {
  const node = cluster.node(name);
  await node.stopKubelet();
  await node.configure(settings);
  await node.containerd.restart();
  const since = Date.now();
  await node.startKubelet(cluster.binaries.kubelet);
  await waitForRenewal(cluster.kubectl, name, since);
  await waitForReady(cluster.kubectl, name, since);
}

/** Waits until a node's kubelet has renewed its lease after a time, which it does every 10 s: so it lives, and has seen its pods. */
export async function waitForRenewal(kubectl: Kubectl, name: string, since: number): Promise<void> {
  await waitForNode(name, since, async () => {
    const lease = asObject(await kubectl.get("lease", name, "--namespace", "kube-node-lease"));
    const renewed = asText(asObject(lease["spec"])["renewTime"]);
    return [Date.parse(renewed) > since, `lease renewed at ${renewed}`];
  });
}

/** Whoever has stopped, a node stays ready for a while: this one was told to be after a time. */
async function waitForReady(kubectl: Kubectl, name: string, since: number): Promise<void> {
  await waitForNode(name, since, async () => {
    const { conditions } = asObject(asObject(await kubectl.get("node", name))["status"]);
    const ready = asObjects(conditions, MAX_CONDITIONS).find(({ type }) => type === "Ready") ?? {};
    // heartbeats are in whole seconds
    const said = Date.parse(asText(ready["lastHeartbeatTime"])) + 999;
    return [ready["status"] === "True" && said >= since, JSON.stringify(ready)];
  });
}

/** @param look answers whether it is so, and what it saw */
async function waitForNode(
  name: string,
  since: number,
  look: () => Promise<readonly [boolean, string]>,
): Promise<void> {
  const what = `node ${name} to show that it lives after ${new Date(since).toISOString()}`;
  let seen = "";
  const check = async (): Promise<boolean> => {
    const [isSo, words] = await look();
    seen = words;
    return isSo;
  };
  try {
    await waitFor(what, check, { timeoutMs: readyTimeoutMs, intervalMs: 300 });
  } catch (error) {
    throw new Error(`waited in vain for ${what}: ${seen}`, { cause: error });
  }
}
