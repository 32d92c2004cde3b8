import { comparableName } from "../objects/image-name.ts";
import type { StrippedPod } from "../objects/pod.ts";
import { detectFailures, hasImage, isAlive } from "./detect-failures.ts";
import type { FailureCause, ImageFailure } from "./failure.ts";
import { isQuiet, NO_SIGNS, type SilentSigns } from "./silent-failures.ts";

/** One failure of one container, from its first sign until the image is there, however often the kubelet retries. */
export interface Episode {
  readonly podUid: string;
  readonly namespace: string;
  readonly pod: string;
  readonly nodeName: string;
  /** when it was first seen, in milliseconds since 1970 */
  readonly startedAt: number;
  /** what the kubelet said last */
  readonly failure: ImageFailure;
  /** the last cause that was known: a later message without one does not take it away */
  readonly cause: FailureCause;
}

/** What one look at a pod changed. */
export interface EpisodeChanges {
  /** seen for the first time: to count and to report */
  readonly started: readonly Episode[];
  /** seen before */
  readonly ongoing: readonly Episode[];
  /** over: the image is there, or the pod is gone */
  readonly ended: readonly Episode[];
}

/**
 * Remembers which containers fail, so that each failure is counted once per pod, container and image. Between two
 * tries of the kubelet a container may wait without a reason: that does not end an episode.
 */
export class EpisodeTracker {
  /** by pod uid, then by container */
  readonly #pods = new Map<string, Map<string, Episode>>();

  /**
   * Takes a look at a pod.
   * @param now milliseconds since 1970
   * @param signs what Events say about it; what its status says goes before
   */
  observe(pod: StrippedPod, now: number, signs: SilentSigns = NO_SIGNS): EpisodeChanges {
    const before = this.#pods.get(pod.uid);
    const told = detectFailures(pod);
    const silent = signs.failures.filter(({ container }) => told.every((one) => one.container !== container));
    const failures = [...told, ...silent];
    if (before === undefined && failures.length === 0) return { started: [], ongoing: [], ended: [] };
    const after = new Map<string, Episode>();
    const started: Episode[] = [];
    const ongoing: Episode[] = [];
    for (const failure of failures) {
      const known = before?.get(failure.container);
      const isSame = known !== undefined && known.failure.image === failure.image;
      const episode = {
        podUid: pod.uid,
        namespace: pod.namespace,
        pod: pod.name,
        nodeName: pod.nodeName,
        startedAt: isSame ? known.startedAt : now,
        failure,
        cause: failure.cause ?? knownCause(isSame ? known.cause : "unknown", failure, signs),
      };
      (isSame ? ongoing : started).push(episode);
      after.set(failure.container, episode);
    }
    const ended: Episode[] = [];
    for (const [container, episode] of before ?? []) {
      const current = after.get(container);
      if (current === undefined && mayStillFail(pod, episode, signs)) {
        after.set(container, episode);
        ongoing.push(episode);
      } else if (current?.failure.image !== episode.failure.image) {
        ended.push(episode);
      }
    }
    if (after.size === 0) this.#pods.delete(pod.uid);
    else this.#pods.set(pod.uid, after);
    return { started, ongoing, ended };
  }

  /** Forgets a pod that is gone; its episodes are over. */
  forget(podUid: string): readonly Episode[] {
    const episodes = this.#pods.get(podUid);
    this.#pods.delete(podUid);
    return [...(episodes?.values() ?? [])];
  }

  /** The episodes of a pod that are not over. */
  of(podUid: string): readonly Episode[] {
    return [...(this.#pods.get(podUid)?.values() ?? [])];
  }

  /** Every episode that is not over. */
  all(): readonly Episode[] {
    return [...this.#pods.values()].flatMap((episodes) => [...episodes.values()]);
  }
}

/** The cause of a failure whose message has none: a kubelet before 1.32 that backs off repeats it in no status. */
function knownCause(
  before: FailureCause,
  { container, image, isVolume }: ImageFailure,
  { causes }: SilentSigns,
) {
  if (before !== "unknown") return before;
  const told = causes.get(isVolume ? "" : container);
  return told !== undefined && comparableName(told.image) === comparableName(image) ? told.cause : before;
}

function mayStillFail(pod: StrippedPod, { failure }: Episode, signs: SilentSigns): boolean {
  if (!isAlive(pod) || failure.reason === "FailedCreatePodSandBox") return false;
  const container = pod.containers.find(({ name }) => name === failure.container);
  if (container === undefined || hasImage(container)) return false;
  // the Event that told of it may have been forgotten since
  if (failure.reason === "HangingPull") {
    if (!isQuiet(container) || signs.ended.has(failure.isVolume ? "" : container.name)) return false;
  }
  return failure.isVolume || container.image === failure.image;
}
