import { ApiError } from "../../controller/kube/api-error.ts";
import type { KubeApi } from "../../controller/kube/kube-api.ts";
import type { Cleanup } from "./cleanup.ts";
import type { ContainerdNode } from "./containerd-node.ts";
import { ImagePuller, pause, type PullRecord } from "./kubelet/image-puller.ts";
import { missingContent } from "./kubelet/missing-content.ts";
import { publishNode, registerNode } from "./kubelet/node-status.ts";
import { followPods } from "./kubelet/pod-source.ts";
import type { PodSpec } from "./kubelet/pod-status.ts";
import { PodWorker } from "./kubelet/pod-worker.ts";

/** Options of startFakeKubelet. */
export interface FakeKubeletOptions {
  /** as a user that may write pods and nodes */
  readonly api: KubeApi;
  readonly cleanup: Cleanup;
  /** the node's containerd; the Node has its name */
  readonly containerd: ContainerdNode;
  readonly labels?: Readonly<Record<string, string>>;
  /** factor of all times below, default 0.02: a back-off of 10 s takes 0.2 s */
  readonly timeScale?: number;
  /** times of a kubelet in milliseconds before they are scaled; defaults are those of Kubernetes 1.20 to 1.31 */
  readonly times?: Partial<KubeletTimes>;
  /** the back-off message ends in the cause, as from Kubernetes 1.32 on; default false */
  readonly backOffQuotesCause?: boolean;
  /** look for missing content before a container starts, default false: it takes some calls of ctr for each */
  readonly checksContent?: boolean;
  /** told of what fails in the kubelet itself; default: the test fails at its end */
  readonly onError?: (error: unknown) => void;
}

/** Times of a kubelet, in milliseconds. */
export interface KubeletTimes {
  /** first and longest pause between two pulls of an image for a pod */
  readonly backOffMs: number;
  readonly maxBackOffMs: number;
  /** pause before a pod is looked at again that waits for something */
  readonly failedSyncMs: number;
  /** and one that does not */
  readonly fineSyncMs: number;
  /** between two looks at the images for the Node's status */
  readonly nodeStatusMs: number;
}

const DEFAULT_TIMES: KubeletTimes = {
  backOffMs: 10_000,
  maxBackOffMs: 300_000,
  failedSyncMs: 10_000,
  fineSyncMs: 60_000,
  nodeStatusMs: 10_000,
};

/** A kubelet without containers: all it says of images it has asked containerd over CRI. */
export interface FakeKubelet {
  /** pulls that were tried, in order */
  readonly pulls: readonly PullRecord[];
  /** how often a pod was looked at; 0 for one that is not known */
  syncs(uid: string): number;
  /** Says from now on whether the node is ready, and writes it. */
  setReady(isReady: boolean): Promise<void>;
  /** Writes the Node's status now. */
  publish(): Promise<void>;
  /** Ends it, as when the machine goes away: pods and node stay as they are. */
  stop(): Promise<void>;
}

/**
 * Stands in for the kubelet of a node with a real containerd: registers the Node, and for each pod that is bound to it
 * gets the images by the rules of its imagePullPolicy, with the kubelet's own texts, back-off and times. It looks at a
 * pod at once when more than its status changes. Containers are not started: one whose image is there counts as running,
 * an init container as completed.
 */
export async function startFakeKubelet(options: FakeKubeletOptions): Promise<FakeKubelet> {
  const { api, cleanup, containerd: node, labels = {}, timeScale = 0.02, checksContent = false } = options;
  const times = { ...DEFAULT_TIMES, ...options.times };
  const errors: unknown[] = [];
  const onError = options.onError ?? ((error) => void errors.push(error));
  const puller = new ImagePuller({
    node,
    times: { backOffMs: times.backOffMs * timeScale, maxBackOffMs: times.maxBackOffMs * timeScale },
    quotesCause: options.backOffQuotesCause ?? false,
  });
  const stopping = new AbortController();
  const { signal } = stopping;
  const workers = new Map<
    string,
    { readonly worker: PodWorker; readonly end: AbortController; readonly run: Promise<void> }
  >();
  let isReady = true;
  let written = "";

  function changed(pod: PodSpec): void {
    const known = workers.get(pod.uid);
    if (known !== undefined) {
      known.worker.update(pod);
      return;
    }
    const worker = new PodWorker(
      {
        api,
        puller,
        times: { failedMs: times.failedSyncMs * timeScale, fineMs: times.fineSyncMs * timeScale },
        createError: (image) => (checksContent ? missingContent(node, image) : Promise.resolve(undefined)),
        onError,
      },
      pod,
    );
    const end = new AbortController();
    if (signal.aborted) return;
    signal.addEventListener("abort", () => end.abort(signal.reason), { once: true });
    workers.set(pod.uid, { worker, end, run: worker.run(end.signal) });
  }

  function gone(uid: string): void {
    workers.get(uid)?.end.abort(new Error("the pod is gone"));
    workers.delete(uid);
    puller.forget(uid);
  }

  async function publish(): Promise<void> {
    written = await publishNode(api, { node, labels, isReady }, written, signal);
  }

  async function keepPublishing(): Promise<void> {
    while (!signal.aborted) {
      try {
        await pause(times.nodeStatusMs * timeScale, signal);
        await publish();
      } catch (error) {
        // the API server is away: the next round tries again
        if (!signal.aborted && !(error instanceof ApiError)) onError(error);
      }
    }
  }

  await registerNode(api, { node, labels, isReady }, signal);
  await publish();
  const running = [
    followPods({ api, nodeName: node.name, listener: { changed, gone } }, signal),
    keepPublishing(),
  ];

  async function stop(): Promise<void> {
    forget();
    stopping.abort(new Error("the kubelet is stopped"));
    await Promise.all([...running, ...[...workers.values()].map(({ run }) => run)]);
    if (errors.length > 0) throw new AggregateError(errors, `the kubelet of ${node.name} failed`);
  }
  const forget = cleanup.add({ name: `stop the kubelet of ${node.name}`, undo: stop });

  return {
    get pulls() {
      return puller.pulls;
    },
    syncs: (uid) => workers.get(uid)?.worker.syncs ?? 0,
    async setReady(ready) {
      isReady = ready;
      await publish();
    },
    publish,
    stop,
  };
}
