import { isDeepStrictEqual } from "node:util";

import { asJson, asText } from "./json.ts";
import { microTimeProblem } from "./rules-leases.ts";
import { META_FIELDS, type SelectableFields } from "./selectors.ts";
import { invalidValue, required, type Cause } from "./status.ts";
import type { ServedObject } from "./types.ts";

// Source: kubernetes pkg/apis/core/validation/events.go. Its field names are those of core/v1, also for events.k8s.io.

/** What a watch of events may select by. */
export const EVENT_FIELDS: SelectableFields = {
  ...META_FIELDS,
  reason: (event) => asText(event["reason"]),
  type: (event) => asText(event["type"]),
  reportingController: (event) => asText(event["reportingController"]),
  ...Object.fromEntries(
    ["kind", "namespace", "name", "uid"].map((name) => [
      `regarding.${name}`,
      (event: ServedObject) => asText(asJson(event["regarding"])[name]),
    ]),
  ),
};

const QUALIFIED_NAME =
  /^(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const MAX_CHARS = 128;
const NOTE_MAX_BYTES = 1024;

/** By field: the name in errors, and whether it must be there. */
const TEXTS = [
  { field: "reportingInstance", shown: "reportingInstance" },
  { field: "action", shown: "action" },
  { field: "reason", shown: "reason" },
] as const;

const IMMUTABLE = [
  { field: "regarding", shown: "involvedObject" },
  { field: "reason", shown: "reason" },
  { field: "note", shown: "message" },
  { field: "deprecatedSource", shown: "source" },
  { field: "deprecatedFirstTimestamp", shown: "firstTimestamp" },
  { field: "deprecatedLastTimestamp", shown: "lastTimestamp" },
  { field: "deprecatedCount", shown: "count" },
  { field: "type", shown: "type" },
  { field: "eventTime", shown: "eventTime" },
  { field: "action", shown: "action" },
  { field: "related", shown: "related" },
  { field: "reportingController", shown: "reportingController" },
  { field: "reportingInstance", shown: "reportingInstance" },
] as const;

/** Times that are no MicroTime. */
export function eventTimes(event: ServedObject): string | undefined {
  return (
    microTimeProblem(event["eventTime"]) ?? microTimeProblem(asJson(event["series"])["lastObservedTime"])
  );
}

/** What must hold for a new event, and what may not change in an old one. */
export function checkEvent(event: ServedObject, old: ServedObject | undefined): readonly Cause[] {
  const causes = [...checkContent(event)];
  if (old === undefined) {
    const type = asText(event["type"]);
    if (event["eventTime"] === undefined) causes.push(required("eventTime"));
    if (type !== "Normal" && type !== "Warning") {
      causes.push(invalidValue("type", "", `has invalid value: ${type}`));
    }
    for (const { field, shown } of IMMUTABLE) {
      if (field.startsWith("deprecated") && event[field] !== undefined) {
        causes.push(invalidValue(shown, "", "needs to be unset"));
      }
    }
  } else {
    for (const { field, shown } of IMMUTABLE) {
      if (!isDeepStrictEqual(event[field], old[field])) {
        causes.push(invalidValue(shown, event[field], "field is immutable"));
      }
    }
  }
  if (!isDeepStrictEqual(event["series"], old?.["series"])) causes.push(...checkSeries(event["series"]));
  return causes;
}

function checkContent(event: ServedObject): readonly Cause[] {
  const causes: Cause[] = [];
  const namespace = asText(asJson(event["regarding"])["namespace"]);
  const own = event.metadata.namespace ?? "";
  if (namespace === "" && own !== "default" && own !== "kube-system") {
    causes.push(invalidValue("involvedObject.namespace", namespace, "does not match event.namespace"));
  }
  const controller = asText(event["reportingController"]);
  if (controller === "") causes.push(required("reportingController"));
  if (!QUALIFIED_NAME.test(controller)) {
    causes.push(
      invalidValue("reportingController", controller, "name part must consist of alphanumeric characters"),
    );
  }
  for (const { field, shown } of TEXTS) {
    const text = asText(event[field]);
    if (text === "") causes.push(required(shown));
    if (Buffer.byteLength(text) > MAX_CHARS) {
      causes.push(invalidValue(shown, "", `can have at most ${MAX_CHARS} characters`));
    }
  }
  if (Buffer.byteLength(asText(event["note"])) > NOTE_MAX_BYTES) {
    causes.push(invalidValue("message", "", `can have at most ${NOTE_MAX_BYTES} characters`));
  }
  return causes;
}

function checkSeries(series: unknown): readonly Cause[] {
  if (series === undefined) return [];
  const { count, lastObservedTime } = asJson(series);
  return [
    ...(typeof count === "number" && count >= 2
      ? []
      : [invalidValue("series.count", "", "should be at least 2")]),
    ...(lastObservedTime === undefined ? [required("series.lastObservedTime")] : []),
  ];
}
