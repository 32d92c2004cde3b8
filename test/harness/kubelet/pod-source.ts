import type { KubeApi } from "../../../controller/kube/kube-api.ts";
import { PODS } from "../../../controller/kube/resources.ts";
import { readPod, type PodSpec } from "./pod-status.ts";
import { pause } from "./image-puller.ts";

/** pause before a list that follows on trouble, in milliseconds */
const RETRY_MS = 200;

/** Told of the pods of a node. */
export interface PodListener {
  readonly changed: (pod: PodSpec) => void;
  /** @param uid of a pod that is gone */
  readonly gone: (uid: string) => void;
}

/** Follows the pods that are bound to a node until `signal` fires: a list, a watch, and again. */
export async function followPods(
  options: { readonly api: KubeApi; readonly nodeName: string; readonly listener: PodListener },
  signal: AbortSignal,
): Promise<void> {
  const { api, nodeName, listener } = options;
  const selection = { fieldSelector: `spec.nodeName=${nodeName}`, signal };
  const known = new Map<string, string>();

  async function listAll(): Promise<string> {
    const seen = new Set<string>();
    let version = "";
    for await (const { items, metadata } of api.list(PODS, selection)) {
      version = metadata.resourceVersion;
      for (const item of items) seen.add(take(item));
    }
    for (const [key, uid] of known) {
      if (!seen.has(key)) drop(key, uid);
    }
    return version;
  }

  function take(object: unknown): string {
    const pod = readPod(object);
    const key = `${pod.namespace}/${pod.name}`;
    const before = known.get(key);
    // made again under the same name
    if (before !== undefined && before !== pod.uid) listener.gone(before);
    known.set(key, pod.uid);
    listener.changed(pod);
    return key;
  }

  function drop(key: string, uid: string): void {
    known.delete(key);
    listener.gone(uid);
  }

  while (!signal.aborted) {
    try {
      let resourceVersion = await listAll();
      for await (const { type, object } of api.watch(PODS, {
        ...selection,
        resourceVersion,
        timeoutSeconds: 60,
      })) {
        if (type === "ERROR") break;
        if (type === "DELETED") {
          const { name, namespace, uid } = readPod(object);
          drop(`${namespace}/${name}`, uid);
        } else if (type !== "BOOKMARK") take(object);
        resourceVersion = object.metadata.resourceVersion ?? resourceVersion;
      }
    } catch {
      // the API server is away: whatever it is, the list comes again
      if (!signal.aborted) await pause(RETRY_MS, signal).catch(() => undefined);
    }
  }
}
