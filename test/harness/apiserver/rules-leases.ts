import { asJson } from "./json.ts";
import { invalidValue, type Cause } from "./status.ts";
import type { ServedObject } from "./types.ts";

// Sources: kubernetes pkg/apis/coordination/validation, k8s.io/apimachinery MicroTime.UnmarshalJSON

/** what Go's time.Parse makes of "2006-01-02T15:04:05.000000Z07:00": six digits, no more, no less */
const MICRO_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}(?:Z|[+-]\d{2}:\d{2})$/;

/** Why a value is no MicroTime; undefined when it is one, or absent. */
export function microTimeProblem(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string") return `json: cannot unmarshal ${typeof value} into Go value of type string`;
  if (MICRO_TIME.test(value) && !Number.isNaN(Date.parse(value))) return undefined;
  const text = JSON.stringify(value);
  return `parsing time ${text} as "2006-01-02T15:04:05.000000Z07:00": cannot parse ${text} as ".000000"`;
}

/** Times of a lease that are no MicroTime. */
export function leaseTimes(lease: ServedObject): string | undefined {
  const { acquireTime, renewTime } = asJson(lease["spec"]);
  return microTimeProblem(acquireTime) ?? microTimeProblem(renewTime);
}

/** What must hold for a lease. */
export function checkLease(lease: ServedObject): readonly Cause[] {
  const { leaseDurationSeconds: duration, leaseTransitions: transitions } = asJson(lease["spec"]);
  const causes: Cause[] = [];
  if (typeof duration === "number" && duration <= 0) {
    causes.push(invalidValue("spec.leaseDurationSeconds", duration, "must be greater than 0"));
  }
  if (typeof transitions === "number" && transitions < 0) {
    causes.push(invalidValue("spec.leaseTransitions", transitions, "must be greater than or equal to 0"));
  }
  return causes;
}
