import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";

import { CHART, NAMESPACE } from "../chart/helm.ts";
import type { Cleanup } from "../harness/cleanup.ts";
import { kubeClient } from "../harness/kube-client.ts";
import { run } from "../harness/run.ts";
import type { Cluster } from "./cluster.ts";
import { installedPods, type Component } from "./installed-pods.ts";
import { keepPodLogs } from "./kept-logs.ts";
import { startReceivers, type Receivers } from "./receivers.ts";
import { importToteImage, openRelease, type Release } from "./release.ts";
import { borrowCluster, openStage, type Stage } from "./scene.ts";
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
  const cluster = await borrowCluster(cleanup);
  const { kubectl, kubeconfig } = cluster;
  const { api } = await kubeClient({ server: { kubeconfigPath: () => kubeconfig }, cleanup });
  await startServiceNetwork(cluster, api, cleanup);
  await importToteImage(cluster, cleanup);
  const receivers = await startReceivers(cleanup);
  await makeVolume(cluster, cleanup);
  const release = keepingLogs(await openRelease(cluster), cluster);
  const values = {
    // the nodes share the disk of this machine, however full it is
    controller: { minFreePercent: 1 },
    // transfers last long enough for something to happen meanwhile
    agent: { maxBandwidth: "4Mi" },
    tls: { operator: true },
    webhook: { enabled: true },
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
    waitForReady: () => waitForRollout(cluster),
  };
  return installed;
}

/** What `helm install` without values has brought and said. */
export interface PlainInstallation {
  readonly notes: string;
  /** what `helm test --logs` has printed */
  readonly tested: string;
  readonly pods: Readonly<Record<"controller" | "agent" | "relay", number>>;
  /** Secrets of certificates after `helm rollback`, before which that of agents was deleted */
  readonly rolledBack: string;
}

/** Installs the chart as the README says, without a value, has it tested, and rolls it back to what it is. For `prepare` of installWithHelm. */
export async function installPlainly(cluster: Cluster): Promise<PlainInstallation> {
  const release = await openRelease(cluster);
  const notes = await release.install({});
  const count = async (component: Component): Promise<number> =>
    (await installedPods(cluster, component)).filter(({ isReady }) => isReady).length;
  const [controller, agent, relay] = [await count("controller"), await count("agent"), await count("relay")];
  const tested = await release.test();
  await cluster.kubectl(["delete", "secret", "tote-tls-agent", "--namespace", NAMESPACE]);
  await release.rollback(1);
  const { stdout } = await cluster.kubectl(["get", "secrets", "--namespace", NAMESPACE, "--output=name"]);
  return { notes, tested, pods: { controller, agent, relay }, rolledBack: stdout };
}

/** Controllers, agents, the relay. */
const WORKLOADS = ["deployment/tote", "daemonset/tote-agent", "statefulset/tote-relay"] as const;

async function waitForRollout({ kubectl }: Cluster): Promise<void> {
  const timeout = `--timeout=${readyTimeoutMs / 1000}s`;
  for (const what of WORKLOADS) {
    await kubectl(["rollout", "status", what, "--namespace", NAMESPACE, timeout]);
  }
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

/** What ends pods of the release puts their logs aside before. */
function keepingLogs(release: Release, { layout, nodes }: Cluster): Release {
  const keep = (): Promise<void> =>
    keepPodLogs(
      layout,
      nodes.map(({ name }) => name),
      NAMESPACE,
    );
  return {
    ...release,
    async upgrade(values) {
      await keep();
      return await release.upgrade(values);
    },
    async uninstall() {
      await keep();
      return await release.uninstall();
    },
  };
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
