import { ApiError, isNotFound } from "../../../controller/kube/api-error.ts";
import type { KubeApi } from "../../../controller/kube/kube-api.ts";
import { PODS } from "../../../controller/kube/resources.ts";
import type { ImagePuller } from "./image-puller.ts";
import { podStatus, type ContainerSpec, type ContainerState, type PodSpec } from "./pod-status.ts";

/** How often a pod is looked at without being asked, in milliseconds. */
export interface SyncTimes {
  /** after a sync that left something waiting */
  readonly failedMs: number;
  /** after a sync without trouble */
  readonly fineMs: number;
}

/** What a worker works with. */
export interface PodWorkerOptions {
  readonly api: KubeApi;
  readonly puller: ImagePuller;
  readonly times: SyncTimes;
  /** why a container cannot be made although its image is there */
  readonly createError: (image: string) => Promise<string | undefined>;
  /** something else than the API server failed */
  readonly onError: (error: unknown) => void;
}

/** Keeps one pod as it should be, one sync after the other. */
export class PodWorker {
  readonly #options: PodWorkerOptions;
  readonly #states = new Map<string, ContainerState>();
  readonly #started = wholeSeconds();
  #pod: PodSpec;
  #written = "";
  #wake = Promise.withResolvers<void>();
  #syncs = 0;

  constructor(options: PodWorkerOptions, pod: PodSpec) {
    this.#options = options;
    this.#pod = pod;
  }

  /** How often the pod was looked at. */
  get syncs(): number {
    return this.#syncs;
  }

  /** Takes the pod as it is now, and looks at it at once when more than its status has changed. */
  update(pod: PodSpec): void {
    const isOther = pod.mark !== this.#pod.mark;
    this.#pod = pod;
    if (isOther) this.#wake.resolve();
  }

  /** Works until the pod is gone or `signal` fires. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#wake = Promise.withResolvers();
      let isFine = false;
      try {
        const result = await this.#sync(signal);
        if (result === "removed") return;
        isFine = result === "fine";
      } catch (error) {
        if (signal.aborted) return;
        // the API server is away or says no: the next sync tries again
        if (!(error instanceof ApiError)) this.#options.onError(error);
      }
      await this.#rest(isFine, signal);
    }
  }

  async #sync(signal: AbortSignal): Promise<"removed" | "fine" | "waiting"> {
    this.#syncs += 1;
    const pod = this.#pod;
    if (pod.isDeleting) {
      await this.#remove(pod, signal);
      return "removed";
    }
    // ephemeral containers wait for nobody; main ones for every init container
    for (const spec of pod.ephemeral) await this.#advance(pod, spec, "running", signal);
    const isInitialized = await this.#initialize(pod, signal);
    if (isInitialized) {
      for (const spec of pod.main) await this.#advance(pod, spec, "running", signal);
    }
    await this.#write(pod, signal);
    return [...this.#states.values()].some(({ kind }) => kind === "waiting") ? "waiting" : "fine";
  }

  async #initialize(pod: PodSpec, signal: AbortSignal): Promise<boolean> {
    for (const spec of pod.init) {
      await this.#advance(pod, spec, "completed", signal);
      if (this.#states.get(spec.name)?.kind !== "completed") return false;
    }
    return true;
  }

  async #advance(
    pod: PodSpec,
    spec: ContainerSpec,
    to: "running" | "completed",
    signal: AbortSignal,
  ): Promise<void> {
    // what runs needs its image no more
    if ((this.#states.get(spec.name)?.kind ?? "waiting") !== "waiting") return;
    const { puller, createError } = this.#options;
    const outcome = await puller.ensure(
      { uid: pod.uid, image: spec.image, pullPolicy: spec.pullPolicy },
      signal,
    );
    if (outcome.kind === "waiting") {
      this.#states.set(spec.name, outcome);
      return;
    }
    const missing = await createError(spec.image);
    if (missing === undefined) {
      this.#states.set(spec.name, { kind: to, since: wholeSeconds(), image: outcome.image });
      return;
    }
    const message = `failed to create containerd container: error unpacking image: ${missing}`;
    this.#states.set(spec.name, { kind: "waiting", reason: "CreateContainerError", message });
  }

  async #write(pod: PodSpec, signal: AbortSignal): Promise<void> {
    const status = podStatus(pod, this.#states, this.#started);
    const text = JSON.stringify(status);
    if (text === this.#written) return;
    const { name, namespace } = pod;
    try {
      await this.#options.api.patch(PODS, { name, namespace }, { status }, { signal, subresource: "status" });
      this.#written = text;
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  async #remove({ name, namespace, uid }: PodSpec, signal: AbortSignal): Promise<void> {
    try {
      await this.#options.api.delete(PODS, { name, namespace }, { signal, uid, gracePeriodSeconds: 0 });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  async #rest(isFine: boolean, signal: AbortSignal): Promise<void> {
    const { failedMs, fineMs } = this.#options.times;
    // the kubelet's jitter: up to half of it more
    const ms = (isFine ? fineMs : failedMs) * (1 + Math.random() / 2);
    const onAbort = (): void => this.#wake.resolve();
    signal.addEventListener("abort", onAbort, { once: true });
    const timer = setTimeout(() => this.#wake.resolve(), ms);
    try {
      if (!signal.aborted) await this.#wake.promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    }
  }
}

/** RFC 3339 in whole seconds, as metav1.Time. */
function wholeSeconds(): string {
  return new Date().toISOString().replace(/\.\d{3}Z$/, "Z");
}
