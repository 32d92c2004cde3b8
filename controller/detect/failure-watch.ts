import type { Clock } from "../../lib/clock.ts";
import { subjectKey } from "../cluster-view.ts";
import { DelayedKeys } from "../kube/delayed-keys.ts";
import type { ReadStore } from "../kube/store.ts";
import type { StrippedPod } from "../objects/pod.ts";
import { EpisodeTracker, type Episode } from "./episodes.ts";
import type { KubeletEvent } from "./kubelet-event.ts";
import { silentFailures } from "./silent-failures.ts";

/** A pod and its failure. */
export interface FailingContainer {
  readonly pod: StrippedPod;
  readonly episode: Episode;
}

/** Told of subjects (see `subjectKey`) at which something has changed. */
export type SubjectHandler = (subject: string) => void;

/**
 * Follows pods and remembers which containers fail for want of an image, grouped by namespace, image and node: that is
 * what a salvage is about. Works whether or not this process leads, so that a new leader knows at once.
 */
export class FailureWatch {
  readonly #pods: ReadStore<StrippedPod, "namespace" | "node" | "image" | "digest">;
  readonly #clock: Clock;
  readonly #events: (podUid: string) => readonly KubeletEvent[];
  /** pods of which the same Events will say something else later */
  readonly #later: DelayedKeys;
  readonly #tracker = new EpisodeTracker();
  /** by subject, then by pod uid and container */
  readonly #groups = new Map<string, Map<string, Episode>>();
  /** by pod key: uid, so that episodes can be ended when the pod is gone */
  readonly #uids = new Map<string, string>();
  #handler: SubjectHandler = () => undefined;

  /** @param options.events what the kubelet has said about a pod, by its uid; default nothing */
  constructor(options: {
    readonly pods: ReadStore<StrippedPod, "namespace" | "node" | "image" | "digest">;
    readonly clock: Clock;
    readonly events?: (podUid: string) => readonly KubeletEvent[];
  }) {
    this.#pods = options.pods;
    this.#clock = options.clock;
    this.#events = options.events ?? (() => []);
    this.#later = new DelayedKeys(options.clock, (key) => this.podChanged(key));
  }

  /** Sets who is told; the handler before is told no more. */
  onChange(handler: SubjectHandler): void {
    this.#handler = handler;
  }

  /** A pod has changed or is gone, or the kubelet has said something about it. */
  podChanged(key: string): void {
    const pod = this.#pods.get(key);
    const before = this.#uids.get(key);
    if (before !== undefined && before !== pod?.uid) {
      this.#uids.delete(key);
      for (const episode of this.#tracker.forget(before)) this.#remove(episode);
    }
    if (pod === undefined) return;
    const now = this.#clock.now();
    const signs = silentFailures(pod, this.#events(pod.uid), now);
    if (signs.againInMs !== undefined) this.#later.add(key, signs.againInMs, "normal");
    const { started, ongoing, ended } = this.#tracker.observe(pod, now, signs);
    for (const episode of ended) this.#remove(episode);
    for (const episode of [...started, ...ongoing]) this.#add(episode);
    if (started.length + ongoing.length > 0) this.#uids.set(key, pod.uid);
    else this.#uids.delete(key);
  }

  /** Ends its timer. */
  close(): void {
    this.#later.close();
  }

  /** Whether a pull of this pod hangs. */
  hangs(podUid: string): boolean {
    return this.#tracker.of(podUid).some(({ failure }) => failure.reason === "HangingPull");
  }

  /** Every subject that fails. */
  subjects(): Iterable<string> {
    return this.#groups.keys();
  }

  /** The containers that fail for one subject; pods that have gone meanwhile are left out. Oldest failure first. */
  failing(subject: string): readonly FailingContainer[] {
    const episodes = [...(this.#groups.get(subject)?.values() ?? [])];
    return episodes
      .sort((a, b) => a.startedAt - b.startedAt)
      .flatMap((episode) => {
        const pod = this.#pods.get(`${episode.namespace}/${episode.pod}`);
        return pod?.uid === episode.podUid ? [{ pod, episode }] : [];
      });
  }

  #add(episode: Episode): void {
    const subject = subjectOfEpisode(episode);
    const group = this.#groups.get(subject) ?? new Map<string, Episode>();
    group.set(memberKey(episode), episode);
    this.#groups.set(subject, group);
    this.#handler(subject);
  }

  #remove(episode: Episode): void {
    const subject = subjectOfEpisode(episode);
    const group = this.#groups.get(subject);
    group?.delete(memberKey(episode));
    if (group?.size === 0) this.#groups.delete(subject);
    this.#handler(subject);
  }
}

/** What an episode is about. */
export function subjectOfEpisode({ namespace, failure, nodeName }: Episode): string {
  return subjectKey(namespace, failure.image, nodeName);
}

function memberKey({ podUid, failure }: Episode): string {
  return `${podUid}\n${failure.container}`;
}
