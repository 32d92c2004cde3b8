import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";

import { CHART, NAMESPACE } from "../chart/helm.ts";
import type { Cleanup } from "../harness/cleanup.ts";
import { kubeClient } from "../harness/kube-client.ts";
import { run } from "../harness/run.ts";
import { openCluster, type Cluster } from "./cluster.ts";
import { startReceivers, type Receivers } from "./receivers.ts";
import { importToteImage, openRelease, type Release } from "./release.ts";
import { openStage, type Stage } from "./scene.ts";
import { startServiceNetwork } from "./service-network.ts";

/** tote as `helm install` makes it, with somebody to tell. */
export interface Installed extends Stage {
  readonly release: Release;
  readonly receivers: Receivers;
  /** what the chart was installed with */
  readonly values: object;
  /** what helm has printed */
  readonly notes: string;
  /** Waits until all controllers, agents and the relay are ready. */
  waitForReady(): Promise<void>;
}

const readyTimeoutMs = 240_000;
const VOLUME = "tote-relay";

/**
 * Imports the image on all nodes and installs the chart on the cluster that is up; the cleanup uninstalls it.
 * @param prepare before that; a release that it leaves is upgraded
 */
export async function installWithHelm(
  cleanup: Cleanup,
  prepare: (cluster: Cluster) => Promise<void> = () => Promise.resolve(),
): Promise<Installed> {
  const cluster = await openCluster();
  const { kubectl, kubeconfig } = cluster;
  const { api } = await kubeClient({ server: { kubeconfigPath: () => kubeconfig }, cleanup });
  await startServiceNetwork(cluster, api, cleanup);
  await importToteImage(cluster, cleanup);
  const receivers = await startReceivers(cleanup);
  await makeVolume(cluster, cleanup);
  const release = await openRelease(cluster);
  const values = {
    // the nodes share the disk of this machine, however full it is
    controller: { minFreePercent: 1 },
    agent: { maxBandwidth: "8Mi" },
    tls: { operator: true },
    relay: { subscriptions: receivers.subscriptions, secrets: receivers.secrets },
  };
  const stage = await openStage(cleanup, cluster, () => controllerLogs(cluster));
  cleanup.add({ name: "uninstall tote", undo: () => removeRelease(cluster, release) });
  // what other suites have left
  await kubectl(["delete", "-f", join(CHART, "crds"), "--ignore-not-found"]);
  await prepare(cluster);
  const notes = (await release.isInstalled()) ? await release.upgrade(values) : await release.install(values);
  const installed: Installed = {
    ...stage,
    release,
    receivers,
    values,
    notes,
    async waitForReady() {
      const timeout = `--timeout=${readyTimeoutMs / 1000}s`;
      for (const what of ["deployment/tote", "daemonset/tote-agent", "statefulset/tote-relay"]) {
        await kubectl(["rollout", "status", what, "--namespace", NAMESPACE, timeout]);
      }
    },
  };
  return installed;
}

/** Log lines of all controllers. */
export async function controllerLogs({ kubectl }: Pick<Cluster, "kubectl">): Promise<string> {
  const which = "--selector=app.kubernetes.io/component=controller";
  try {
    return (await kubectl(["logs", "--namespace", NAMESPACE, which, "--tail=60"])).stdout;
  } catch (error) {
    return `no log: ${String(error)}`;
  }
}

/** There is no provisioner: a folder that the relay's claim finds. */
async function makeVolume(cluster: Cluster, cleanup: Cleanup): Promise<void> {
  const path = join(cluster.layout.data, "relay-volume");
  await mkdir(path, { recursive: true });
  // what fsGroup does for volumes that are no folders of the node
  await chmod(path, 0o777);
  await cluster.kubectl.apply({
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: { name: VOLUME },
    spec: {
      capacity: { storage: "1Gi" },
      accessModes: ["ReadWriteOnce"],
      persistentVolumeReclaimPolicy: "Retain",
      hostPath: { path },
    },
  });
  cleanup.add({
    name: "delete the relay's volume",
    undo: async () => {
      await cluster.kubectl(["delete", "pvc", "--all", "--namespace", NAMESPACE, "--ignore-not-found"]);
      await cluster.kubectl(["delete", "pv", VOLUME, "--ignore-not-found"]);
      await run("rm", ["-rf", path]);
    },
  });
}

async function removeRelease(cluster: Cluster, release: Release): Promise<void> {
  const { kubectl } = cluster;
  if (await release.isInstalled()) await release.uninstall();
  await kubectl(["delete", "namespace", NAMESPACE, "--ignore-not-found"]);
  await kubectl(["delete", "-f", join(CHART, "crds"), "--ignore-not-found"]);
}
