import type { FailureCause } from "../detect/failure.ts";
import { asTime } from "../objects/json.ts";
import type { SalvageRecord } from "../objects/salvage-record.ts";

/**
 * The cause to judge a failure by. A kubelet before 1.32 that backs off does not repeat it, so after a restart of the
 * controller it is unknown: then the last one that a record of the same namespace and image has is taken. A refusal must
 * not turn into a permission because somebody has forgotten the reason. Pure.
 *
 * @param records of the same namespace and image
 */
export function knownCause(cause: FailureCause, records: readonly SalvageRecord[]): FailureCause {
  if (cause !== "unknown") return cause;
  const last = records
    .filter(({ status }) => status.cause !== undefined && status.cause !== "unknown")
    .toSorted((a, b) => asTime(b.status.progressAt) - asTime(a.status.progressAt))[0];
  return last?.status.cause ?? "unknown";
}
