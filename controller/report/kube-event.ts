/** Events of `events.k8s.io/v1` about pods, for `kubectl describe`. */

import { createHash } from "node:crypto";

import { hangingPullAdvice } from "../detect/silent-failures.ts";
import { formatMicroTime } from "../kube/micro-time.ts";
import type { KubeEvent, ObjectReference } from "../kube/objects.ts";
import { EVENT_NOTE_MAX_BYTES, RECORD_PODS_MAX } from "../limits.ts";
import {
  RECORD_API_VERSION,
  RECORD_KIND,
  type RecordPod,
  type RecordTransition,
  type SalvageRecord,
  type SalvageRecordStatus,
} from "../objects/salvage-record.ts";
import { cutUtf8 } from "../objects/text.ts";
import { eventKind, eventNote, overflowNote, type EventKind } from "./kube-event-text.ts";

/** Value of `reportingController`. */
export const REPORTING_CONTROLLER = "tote";
/** Longest `reportingInstance`: a rule of the API server. */
const INSTANCE_MAX_CHARS = 128;
/** Longest part of an Event's name that comes from another name; names have 253 characters at most. */
const NAME_STEM_MAX_CHARS = 200;

/** What Events are made with beside the record. */
export interface EventContext {
  /** which controller says so: its pod's name */
  readonly instance: string;
  /** Whether the pull of a pod hangs: somebody has to do something about it. */
  readonly hangs: (podUid: string) => boolean;
}

/**
 * The Events for a transition: one for each pod of the record, with one name per record, pod and reason, so that a repeat
 * finds it already there. An order has no pod: its Event is about the record. Pure.
 *
 * @returns none for transitions that only the relay hears of
 */
export function buildKubeEvents(
  record: SalvageRecord,
  transition: RecordTransition,
  context: EventContext,
): readonly KubeEvent[] {
  const kind = eventKind(transition);
  if (kind === undefined) return [];
  const { metadata, status } = record;
  const { namespace } = metadata;
  const time = Date.parse(transition.time);
  const itself = {
    apiVersion: RECORD_API_VERSION,
    kind: RECORD_KIND,
    namespace,
    name: metadata.name,
    uid: metadata.uid,
  };
  const common = { kind, namespace, time, instance: context.instance };
  const name = (what: string): string => eventName(metadata.name, metadata.uid, what);
  const pods = affectedPods(status);
  if (pods.length === 0) {
    const note = eventNote(record, transition);
    return [baseEvent({ ...common, name: name(kind.reason), note, regarding: itself })];
  }
  return pods.map((pod) => {
    const advice = context.hangs(pod.uid) ? hangingPullAdvice(pod.name) : "";
    const event = baseEvent({
      ...common,
      name: name(pod.uid === status.origin?.podUid ? kind.reason : `${kind.reason}\n${pod.uid}`),
      note: eventNote(record, transition, advice),
      regarding: { apiVersion: "v1", kind: "Pod", namespace, ...pod },
    });
    return { ...event, related: itself };
  });
}

/** The pod that was seen first, and those that wait for the same; none for an order. */
function affectedPods({ origin, pods = [] }: SalvageRecordStatus): readonly RecordPod[] {
  const { pod: name = "", podUid: uid = "" } = origin ?? {};
  if (name === "") return [];
  return [{ name, uid }, ...pods.filter((pod) => pod.uid !== uid)].slice(0, RECORD_PODS_MAX);
}

/**
 * The one Event that sums up refusals beyond the bound of records, about the controller's Lease. Named by the hour, so that
 * there is at most one in each.
 *
 * @param options.refused failures that were refused and have no record
 * @param options.now milliseconds since 1970
 */
export function buildOverflowEvent(options: {
  readonly refused: number;
  readonly lease: { readonly namespace: string; readonly name: string };
  readonly instance: string;
  readonly now: number;
}): KubeEvent {
  const { refused, lease, instance, now } = options;
  const hour = new Date(now).toISOString().slice(0, 13);
  return baseEvent({
    kind: { reason: "ImageNotActionable", action: "Detected", type: "Warning" },
    name: eventName(lease.name, lease.namespace, `ImageNotActionable ${hour}`),
    namespace: lease.namespace,
    note: overflowNote(refused),
    regarding: { apiVersion: "coordination.k8s.io/v1", kind: "Lease", ...lease },
    time: now,
    instance,
  });
}

/**
 * The merge patch that counts a repeat, all of an Event that may change.
 * @param count how often it has happened, at least 2
 * @param now milliseconds since 1970
 */
export function seriesPatch(count: number, now: number): object {
  return { series: { count, lastObservedTime: formatMicroTime(now) } };
}

function baseEvent(options: {
  readonly kind: EventKind;
  readonly name: string;
  readonly namespace: string;
  readonly note: string;
  readonly regarding: ObjectReference;
  readonly time: number;
  readonly instance: string;
}): KubeEvent {
  const { kind, name, namespace, note, regarding, time, instance } = options;
  return {
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    metadata: { name, namespace },
    eventTime: formatMicroTime(time),
    reportingController: REPORTING_CONTROLLER,
    reportingInstance: instance.slice(0, INSTANCE_MAX_CHARS),
    action: kind.action,
    reason: kind.reason,
    regarding,
    note: cutUtf8(note, EVENT_NOTE_MAX_BYTES),
    type: kind.type,
  };
}

function eventName(stem: string, uid: string, what: string): string {
  const unique = createHash("sha256").update(`${uid}\n${what}`).digest("hex").slice(0, 16);
  return `${stem.slice(0, NAME_STEM_MAX_CHARS).replace(/[-.]+$/, "")}.${unique}`;
}
