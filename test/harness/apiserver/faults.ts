/** Which requests a fault meets; what is left out meets all. */
export interface FaultMatch {
  /** as RBAC names them: get, list, watch, create, update, patch, delete */
  readonly verb?: string | readonly string[];
  /** plural */
  readonly resource?: string;
  readonly subresource?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly user?: string;
}

/** What goes wrong. */
export type FaultKind =
  | {
      /** answered with this status; 429 as plain text, as the real one does, all others with a Status */
      readonly kind: "status";
      readonly status: number;
      readonly reason?: string;
      readonly message?: string;
      readonly retryAfterSeconds?: number;
    }
  /** worked on after so many milliseconds */
  | { readonly kind: "delay"; readonly ms: number }
  /** never answered; the connection stays open */
  | { readonly kind: "hang" }
  /** a watch begins as it should, then says nothing for ever, not even at its end */
  | { readonly kind: "silent" }
  /** not worked on; the connection is closed */
  | { readonly kind: "reset" }
  /** worked on, and then the connection is closed without an answer */
  | { readonly kind: "lost" };

/** A fault, and which requests meet it. */
export type FaultRule = FaultMatch &
  FaultKind & {
    /** requests that it meets, default: all until it is removed */
    readonly times?: number;
    /** requests that it lets pass first, default 0 */
    readonly after?: number;
  };

/** What a request is, for the match. */
export interface FaultSubject {
  readonly verb: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  readonly user: string;
}

/** Switches for trouble. */
export interface Faults {
  /** Adds a fault; the function returned removes it. Of several that match, the one added first counts. */
  add(rule: FaultRule): () => void;
  /** Removes all faults; requests that hang are cut off. Watches that were made to hang stay so. */
  clear(): void;
  /** Cuts off watches that run. @param resource plural, default all */
  dropWatches(resource?: string): void;
  /** Lets watches that run fall silent with their connections open, as when a network goes away: half-open. */
  hangWatches(resource?: string): void;
}

interface ActiveRule {
  readonly rule: FaultRule;
  left: number;
  passing: number;
}

/** The faults that are set. */
export class FaultList {
  readonly #rules: ActiveRule[] = [];

  add(rule: FaultRule): () => void {
    const active = { rule, left: rule.times ?? Infinity, passing: rule.after ?? 0 };
    this.#rules.push(active);
    return () => this.#remove(active);
  }

  /** The fault that a request meets; it counts as met. */
  take(subject: FaultSubject): FaultRule | undefined {
    const active = this.#rules.find((one) => {
      if (!matches(one.rule, subject)) return false;
      one.passing -= 1;
      return one.passing < 0;
    });
    if (active === undefined) return undefined;
    active.left -= 1;
    if (active.left <= 0) this.#remove(active);
    return active.rule;
  }

  clear(): void {
    this.#rules.length = 0;
  }

  #remove(active: ActiveRule): void {
    const at = this.#rules.indexOf(active);
    if (at >= 0) this.#rules.splice(at, 1);
  }
}

function matches(rule: FaultMatch, subject: FaultSubject): boolean {
  const { verb, resource, subresource, namespace, name, user } = rule;
  const isVerb = verb === undefined || (typeof verb === "string" ? [verb] : verb).includes(subject.verb);
  const isRest = (
    [
      [resource, subject.resource],
      [subresource, subject.subresource],
      [namespace, subject.namespace],
      [name, subject.name],
      [user, subject.user],
    ] as const
  ).every(([wanted, found]) => wanted === undefined || wanted === found);
  return isVerb && isRest;
}
