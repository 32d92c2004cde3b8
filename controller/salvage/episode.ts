/** Whether a failure is a new story or one that a record has told already. */

import { NOT_RECOVERED_AT_MS } from "../limits.ts";
import { asTime } from "../objects/json.ts";
import type { SalvageRecord } from "../objects/salvage-record.ts";
import { recordName, type RecordKey } from "./record-name.ts";
import { hasEnded } from "./record-state.ts";
import { recheckDelay } from "./retry.ts";

/** A pod that fails. */
export interface FailingPod {
  readonly uid: string;
  /** milliseconds since 1970 */
  readonly createdAt: number;
  /** its pull hangs: it cannot see that its image has come */
  readonly isHanging?: boolean;
}

/** What to do about failing pods that share a key. */
export type EpisodeDecision =
  /** a salvage is under way: the pods belong to it */
  | { readonly kind: "join"; readonly record: SalvageRecord }
  /** the last record has said it; look again at `recheckAt` (milliseconds since 1970) if they still fail */
  | { readonly kind: "settled"; readonly record: SalvageRecord; readonly recheckAt: number }
  /**
   * Make a record. `onlyIfAllowed`: not another refusal, since the last record has told of one.
   */
  | { readonly kind: "new"; readonly onlyIfAllowed: boolean };

/** Completed records of the same key after which new ones wait, too: something undoes what tote does. */
const EAGER_EPISODES = 3;

/**
 * Decides by the records of the same namespace, content and node. Without this a storm of pods would make a storm of
 * records, and a pod that cannot be helped one at each retry of its kubelet. Pure.
 *
 * @param records of the key, in any order
 * @param pods that fail now
 * @param now milliseconds since 1970
 */
export function decideEpisode(
  records: readonly SalvageRecord[],
  pods: readonly FailingPod[],
  now: number,
): EpisodeDecision {
  const open = records.find((record) => !hasEnded(record.status));
  if (open !== undefined) return { kind: "join", record: open };
  const last = records.toSorted((a, b) => endOf(b) - endOf(a))[0];
  if (last === undefined || last.status.reason === "Legacy") return { kind: "new", onlyIfAllowed: false };
  const episode = records.length;
  const recheckAt = endOf(last) + recheckDelay(episode);
  const isLater = now >= recheckAt;
  const isNewPod = pods.some((pod) => !isCovered(last, pod));
  switch (last.status.phase) {
    case "Refused":
      return { kind: "new", onlyIfAllowed: !(isLater && isNewPod) };
    case "Completed": {
      // pods that were there before may fail a little longer than the first of them: they are nudged, no more
      const graceEnds = endOf(last) + NOT_RECOVERED_AT_MS;
      if (!isNewPod && now < graceEnds) return { kind: "settled", record: last, recheckAt: graceEnds };
      // moving the image once more would not help those that cannot see it
      const isUnseen = last.status.reason === "Salvaged" && pods.every(({ isHanging }) => isHanging === true);
      if (!isNewPod && isUnseen) {
        return { kind: "settled", record: last, recheckAt: now + recheckDelay(episode) };
      }
      const isUndone = isNewPod || hasRecovered(last);
      if (isUndone ? isLater || episode < EAGER_EPISODES : isLater) {
        return { kind: "new", onlyIfAllowed: false };
      }
      return { kind: "settled", record: last, recheckAt };
    }
    default: {
      // that one ended because node or pods went away, and says nothing about those that are there now
      const isBack = last.status.reason === "TargetGone" && episode < EAGER_EPISODES;
      if (isBack && !isLater) return { kind: "new", onlyIfAllowed: true };
      return isLater ? { kind: "new", onlyIfAllowed: false } : { kind: "settled", record: last, recheckAt };
    }
  }
}

/**
 * The number of the next record: 1 + ended records of the key. Where that name is taken, because older records have been
 * reaped, the next free number.
 */
export function nextEpisode(key: RecordKey, repository: string, records: readonly SalvageRecord[]): number {
  const names = new Set(records.map(({ metadata }) => metadata.name));
  let episode = 1 + records.filter(({ status }) => hasEnded(status)).length;
  while (names.has(recordName(key, repository, episode))) episode += 1;
  return episode;
}

/** Whether the record was about this pod: it names it, or the pod was there when the record ended. */
function isCovered({ status }: SalvageRecord, pod: FailingPod): boolean {
  if (status.pods?.some(({ uid }) => uid === pod.uid) === true) return true;
  return pod.createdAt <= asTime(status.completedAt);
}

function hasRecovered({ status }: SalvageRecord): boolean {
  return (
    status.conditions?.some(({ type, status: value }) => type === "Recovered" && value === "True") === true
  );
}

function endOf({ status, metadata }: SalvageRecord): number {
  return asTime(status.completedAt) || asTime(metadata.creationTimestamp);
}
