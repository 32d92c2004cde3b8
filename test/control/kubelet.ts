import { setTimeout as sleep } from "node:timers/promises";

import type { ApiClient } from "../../controller/kube/api-client.ts";
import { isNotFound } from "../../controller/kube/api-error.ts";
import type { KubeObject } from "../../controller/kube/objects.ts";
import { NODES, PODS } from "../../controller/kube/resources.ts";
import { asObject, asObjects, asText } from "../../controller/objects/json.ts";
import type { Cleanup } from "../harness/cleanup.ts";
import type { ContainerdNode } from "../harness/containerd-node.ts";
import { imageStatus } from "../harness/cri.ts";

/** How often pods are looked at for changes, in milliseconds. */
const LOOK_MS = 100;

/** Options of startKubelet. */
export interface KubeletOptions {
  readonly api: ApiClient;
  readonly cleanup: Cleanup;
  readonly containerd: ContainerdNode;
  /** what it says when it has not got an image; default {@link pullError} */
  readonly errorOf?: (image: string) => string;
  /** milliseconds between two tries of its own, default 60 s: it needs a nudge to be quicker */
  readonly resyncMs?: number;
}

/** What it says when an image is not there and its registry does not answer. */
export function pullError(image: string): string {
  return `rpc error: code = Unknown desc = failed to pull and unpack image "${image}": failed to resolve reference "${image}": failed to do request: Head "https://registry.test:5000/v2/": dial tcp 10.0.0.1:5000: connect: connection refused`;
}

/** What it says when the registry does not take the pod's credentials. */
export function unauthorizedError(image: string): string {
  return `rpc error: code = Unknown desc = failed to pull and unpack image "${image}": failed to resolve reference "${image}": pulling from host registry.test:5000 failed with status code [manifests v1]: 401 Unauthorized`;
}

/**
 * Stands in for the kubelet of a node whose registry is down: registers the node, and sets the status of its pods from
 * what the node's real containerd says over CRI, when it first sees them, when their metadata changes, and now and then.
 */
export async function startKubelet(options: KubeletOptions): Promise<void> {
  const { api, cleanup, containerd, errorOf = pullError, resyncMs = 60_000 } = options;
  const stop = new AbortController();
  const { signal } = stop;
  await registerNode(api, containerd, signal);
  const seen = new Map<string, { readonly mark: string; readonly at: number }>();
  const running = (async () => {
    while (!signal.aborted) {
      for await (const page of api.list(PODS, {
        fieldSelector: `spec.nodeName=${containerd.name}`,
        signal,
      })) {
        for (const pod of page.items) {
          const uid = pod.metadata.uid ?? "";
          const mark = JSON.stringify([pod.metadata.annotations ?? {}]);
          const last = seen.get(uid);
          if (last?.mark === mark && performance.now() - last.at < resyncMs) continue;
          seen.set(uid, { mark, at: performance.now() });
          await sync({ api, containerd, errorOf, pod, signal });
        }
      }
      await sleep(LOOK_MS, undefined, { signal });
    }
  })().catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
  cleanup.add({
    name: `stop the kubelet of ${containerd.name}`,
    undo: async () => {
      stop.abort();
      await running;
    },
  });
}

async function registerNode(api: ApiClient, { name }: ContainerdNode, signal: AbortSignal): Promise<void> {
  await api.create(NODES, { metadata: { name, labels: { "kubernetes.io/hostname": name } } }, { signal });
  const status = {
    conditions: [{ type: "Ready", status: "True", reason: "KubeletReady", message: "ready" }],
    nodeInfo: { operatingSystem: "linux", architecture: process.arch === "x64" ? "amd64" : process.arch },
  };
  await api.patch(NODES, { name }, { status }, { signal, subresource: "status" });
}

async function sync(options: {
  readonly api: ApiClient;
  readonly containerd: ContainerdNode;
  readonly errorOf: (image: string) => string;
  readonly pod: KubeObject;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { api, containerd: node, errorOf, pod, signal } = options;
  const containers = asObjects(asObject(asObject(pod)["spec"])["containers"], 16);
  const statuses = await Promise.all(
    containers.map(async (container) => {
      const image = asText(container["image"]);
      const found = await imageStatus(node, image, signal);
      const state =
        found === undefined
          ? { waiting: { reason: "ErrImagePull", message: errorOf(image) } }
          : { running: { startedAt: new Date().toISOString().replace(/\.\d+/, "") } };
      const imageID = found?.repoDigests[0] ?? found?.id ?? "";
      return { name: container["name"], image, imageID, ready: found !== undefined, restartCount: 0, state };
    }),
  );
  const isRunning = statuses.every(({ ready }) => ready);
  const status = { phase: isRunning ? "Running" : "Pending", containerStatuses: statuses };
  const { name, namespace } = pod.metadata;
  try {
    await api.patch(PODS, { name, namespace }, { status }, { signal, subresource: "status" });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
