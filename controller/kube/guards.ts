import type { KubeEvent, KubeList, KubeObject, Lease, Status, WatchEvent } from "./objects.ts";

const WATCH_TYPES: ReadonlySet<unknown> = new Set(["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]);

const EVENT_TEXTS = [
  "eventTime",
  "reportingController",
  "reportingInstance",
  "action",
  "reason",
  "note",
  "type",
];
const LEASE_TEXTS = ["holderIdentity", "acquireTime", "renewTime"];
const LEASE_NUMBERS = ["leaseDurationSeconds", "leaseTransitions"];

/** Whether an answer is an object with a name; what else is in it the API server vouches for. */
export function isKubeObject(value: unknown): value is KubeObject {
  return isRecord(value) && isRecord(value["metadata"]) && typeof value["metadata"]["name"] === "string";
}

/** Whether an answer is the API server's word on what it could not do. */
export function isStatus(value: unknown): value is Status {
  return isRecord(value) && value["kind"] === "Status";
}

/** Whether a line of a watch is an event. */
export function isWatchEvent(value: unknown): value is WatchEvent {
  if (!isRecord(value) || !WATCH_TYPES.has(value["type"]) || !isRecord(value["object"])) return false;
  if (value["type"] === "ERROR") return true;
  if (value["type"] === "BOOKMARK") return isRecord(value["object"]["metadata"]);
  return isKubeObject(value["object"]);
}

/** Whether an answer is a lease whose fields have the types they must have. */
export function isLease(value: unknown): value is Lease {
  if (!isKubeObject(value)) return false;
  const spec = "spec" in value ? (value.spec ?? {}) : {};
  return (
    isRecord(spec) &&
    LEASE_TEXTS.every((name) => ["undefined", "string"].includes(typeof spec[name])) &&
    LEASE_NUMBERS.every((name) => ["undefined", "number"].includes(typeof spec[name]))
  );
}

/** Whether an answer is an event (events.k8s.io/v1) whose fields have the types they must have. */
export function isKubeEvent(value: unknown): value is KubeEvent {
  if (!isKubeObject(value)) return false;
  const fields: Readonly<Record<string, unknown>> = { ...value };
  const { series, regarding = {} } = fields;
  return (
    EVENT_TEXTS.every((name) => ["undefined", "string"].includes(typeof fields[name])) &&
    isRecord(regarding) &&
    (series === undefined || (isRecord(series) && typeof series["count"] === "number"))
  );
}

/**
 * Checks a page of a list.
 * @param is what every item must be
 * @returns undefined when it is no list of such items
 */
export function parseList<T>(is: (value: unknown) => value is T, value: unknown): KubeList<T> | undefined {
  const metadata = isRecord(value) ? value["metadata"] : undefined;
  // an empty list may be null, as Go writes it
  const items: unknown = isRecord(value) ? (value["items"] ?? []) : undefined;
  if (!isRecord(metadata) || typeof metadata["resourceVersion"] !== "string") return undefined;
  if (!Array.isArray(items) || !items.every(is)) return undefined;
  const { resourceVersion, continue: token } = metadata;
  return {
    metadata: { resourceVersion, ...(typeof token === "string" && token !== "" && { continue: token }) },
    items,
  };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
