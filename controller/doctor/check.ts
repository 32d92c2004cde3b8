/** What a check of `tote doctor` says. Names and shape are those of the original tote. */

/** ok: as it should be. warn: worth a look, or not to be told. fail: images cannot be salvaged as they should. */
export type CheckStatus = "ok" | "warn" | "fail";

/** One finding. */
export interface Check {
  /** e.g. "crd" */
  readonly name: string;
  readonly status: CheckStatus;
  /** what was found and what to do; lines of configuration follow on lines of their own */
  readonly message: string;
}

/** All findings. */
export interface Diagnosis {
  readonly checks: readonly Check[];
  /** no check failed */
  readonly ok: boolean;
}

/** Something that was read from the cluster, or why it was not. */
export type Reading<T> =
  | { readonly kind: "read"; readonly value: T }
  /** RBAC does not let this user see it */
  | { readonly kind: "forbidden"; readonly why: string }
  | { readonly kind: "failed"; readonly why: string };

/** Names of a list that are written out. */
const LISTED_MAX = 5;

/** Puts findings together. */
export function diagnose(checks: readonly Check[]): Diagnosis {
  return { checks, ok: checks.every(({ status }) => status !== "fail") };
}

/** A check of what was read; what could not be read fails, or warns where the user may not see it. */
export function checkReading<T>(name: string, reading: Reading<T>, judge: (value: T) => Check): Check {
  switch (reading.kind) {
    case "read":
      return judge(reading.value);
    case "forbidden":
      return { name, status: "warn", message: `not checked: ${reading.why}` };
    case "failed":
      return { name, status: "fail", message: reading.why };
  }
}

/** "a, b, c (and 2 more)". */
export function listed(names: readonly string[]): string {
  const shown = names.slice(0, LISTED_MAX).join(", ");
  const more = names.length - LISTED_MAX;
  return more > 0 ? `${shown} (and ${more} more)` : shown;
}

/** "1 node", "2 nodes". */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
