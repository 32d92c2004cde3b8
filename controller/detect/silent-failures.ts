/** Failures that no container status tells: only the kubelet's Events do. */

import { HANGING_PULL_AFTER_MS, SANDBOX_FAILURE_MAX_AGE_MS } from "../limits.ts";
import { comparableName } from "../objects/image-name.ts";
import type { ImageVolume, PodContainer, StrippedPod } from "../objects/pod.ts";
import { isAlive } from "./detect-failures.ts";
import type { FailureCause, ImageFailure } from "./failure.ts";
import { pulledImage, sandboxFailure, type KubeletEvent } from "./kubelet-event.ts";

/** What Events say about a pod now. */
export interface SilentSigns {
  readonly failures: readonly ImageFailure[];
  /** containers whose last pull has ended, one way or the other; "" for a volume's */
  readonly ended: ReadonlySet<string>;
  /** why the last pull of a container failed, where that is known; "" for a volume's */
  readonly causes: ReadonlyMap<string, PullCause>;
  /** milliseconds until the same Events may say something else; undefined when only new ones can */
  readonly againInMs?: number;
}

/** Why a pull failed. */
export interface PullCause {
  readonly image: string;
  readonly cause: FailureCause;
}

/** Nothing was said. */
export const NO_SIGNS: SilentSigns = { failures: [], ended: new Set(), causes: new Map() };

const QUIET: ReadonlySet<string> = new Set(["", "ContainerCreating", "PodInitializing"]);

/**
 * What the kubelet's Events about a pod come to: a pull that has begun long ago and not ended, while its container waits
 * without a word, hangs; and a sandbox whose image cannot be pulled leaves every container without a word. Pure.
 *
 * @param events about this pod, in any order
 * @param now milliseconds since 1970
 */
export function silentFailures(pod: StrippedPod, events: readonly KubeletEvent[], now: number): SilentSigns {
  if (events.length === 0 || !isAlive(pod) || pod.nodeName === "") return NO_SIGNS;
  const about = events.filter(({ podUid }) => podUid === pod.uid);
  const pulls = newestBy(about.filter(({ reason }) => reason === "Pulling"));
  const ends = newestBy(about.filter(({ reason }) => reason === "Pulled" || reason === "Failed"));
  const failures: ImageFailure[] = [];
  const ended = new Set(ends.keys());
  const waits: number[] = [];
  for (const [name, pull] of pulls) {
    if ((ends.get(name)?.time ?? -1) >= pull.time) continue;
    ended.delete(name);
    const failure = hangingPull(pod, pull);
    if (failure === undefined) continue;
    const leftMs = pull.time + HANGING_PULL_AFTER_MS - now;
    if (leftMs > 0) waits.push(leftMs);
    else failures.push(failure);
  }
  const sandbox = newestBy(about.filter(({ reason }) => reason === "FailedCreatePodSandBox")).get("");
  const lastPull = Math.max(0, ...[...pulls.values(), ...ends.values()].map(({ time }) => time));
  if (sandbox !== undefined && sandbox.time > lastPull && pod.containers.every(isQuiet)) {
    const leftMs = sandbox.time + SANDBOX_FAILURE_MAX_AGE_MS - now;
    const failure = sandboxImageFailure(sandbox);
    if (leftMs > 0 && failure !== undefined) {
      waits.push(leftMs);
      failures.push(failure);
    }
  }
  const causes = new Map(
    [...ends].flatMap(([name, { failed }]) => (failed === undefined ? [] : [[name, failed]])),
  );
  return { failures, ended, causes, ...(waits.length > 0 && { againInMs: Math.min(...waits) }) };
}

/** Whether a container waits without a word: neither started nor failed. */
export function isQuiet({ state, waiting }: PodContainer): boolean {
  return state === "waiting" && QUIET.has(waiting?.reason ?? "");
}

/** The kubelet names no container when it pulls the image of a volume. */
function hangingPull(pod: StrippedPod, pull: KubeletEvent): ImageFailure | undefined {
  const image = comparableName(pulledImage(pull) ?? "");
  const volume = pull.container === "" ? volumeOf(pod, image) : undefined;
  const container =
    volume === undefined
      ? pod.containers.find(({ name }) => name === pull.container)
      : pod.containers.find(isQuiet);
  if (container === undefined || !isQuiet(container)) return undefined;
  // an image that was changed meanwhile is another story
  if (volume === undefined && comparableName(container.image) !== image) return undefined;
  return {
    container: container.name,
    containerKind: container.kind,
    image: volume?.reference ?? container.image,
    isVolume: volume !== undefined,
    pullPolicy: volume?.pullPolicy ?? container.pullPolicy,
    reason: "HangingPull",
    problem: "missing",
    cause: "timeout",
    message: `the pull that began at ${new Date(pull.time).toISOString()} has neither ended nor failed: the registry does not answer. ${hangingPullAdvice(pod.name)}`,
  };
}

/** What a person has to do about a pod whose pull hangs: neither an image that comes nor a nudge ends that pull. */
export function hangingPullAdvice(pod: string): string {
  return `Its kubelet sits inside the pull and sees nothing else: once the image is on the node, delete pod ${pod}, or restart containerd there; pods made from then on start at once.`;
}

function volumeOf(pod: StrippedPod, image: string): ImageVolume | undefined {
  return pod.imageVolumes.find(({ reference }) => comparableName(reference) === image);
}

function sandboxImageFailure(event: KubeletEvent): ImageFailure | undefined {
  const failure = sandboxFailure(event);
  if (failure === undefined) return undefined;
  return {
    ...failure,
    container: "",
    containerKind: "main",
    isVolume: false,
    pullPolicy: "IfNotPresent",
    reason: "FailedCreatePodSandBox",
    problem: "unusable",
  };
}

/** The newest Event for each container. */
function newestBy(events: readonly KubeletEvent[]): ReadonlyMap<string, KubeletEvent> {
  return new Map(events.toSorted((a, b) => a.time - b.time).map((event) => [event.container, event]));
}
