import type { ObjectInput } from "../harness/apiserver/types.ts";
import { PODS, type KubeResource } from "../../controller/kube/resources.ts";

/** core/v1 Event, through which kubelets write. */
export const CORE_EVENTS: KubeResource = { ...PODS, kind: "Event", plural: "events" };

/** An Event as kubelets write it. */
export interface CoreEvent {
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly firstTimestamp: string;
  readonly lastTimestamp: string;
  readonly count: number;
  readonly source: { readonly component: string; readonly host: string };
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  readonly involvedObject: object;
}

/** The same as an API server shows it to those who read events.k8s.io/v1 (pkg/apis/events/v1/conversion.go). */
export function newerEvent(event: CoreEvent): ObjectInput {
  const { metadata, type, reason } = event;
  return {
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    metadata,
    eventTime: null,
    deprecatedFirstTimestamp: event.firstTimestamp,
    deprecatedLastTimestamp: event.lastTimestamp,
    deprecatedCount: event.count,
    deprecatedSource: event.source,
    type,
    reason,
    note: event.message,
    regarding: event.involvedObject,
  };
}
