import { WEBHOOK_CONCURRENCY } from "../../webhook-relay/limits.ts";
import type { Receiver } from "../../webhook-relay/testing/receiver.ts";

/**
 * How long before the end of a relay an arrival may lie that comes again after it, in milliseconds: its answer and the commit
 * that records it. On a machine that is busy both take longer; how much, the slowest answer to a post of the same relay tells.
 */
const AROUND_MS = 250;
/** An arrival may be noticed later than the end of the relay that it came from. */
const NOTICED_MS = 50;
/**
 * Deliveries to one receiver that can come again after one kill: those under way, and those that they made room for in the few
 * milliseconds for which ends of attempts wait for each other's commit.
 */
const REPEATS_PER_KILL = 8 * WEBHOOK_CONCURRENCY;

/** What was posted, answered and asked for, to be held against what arrived. */
export interface Ledger {
  /** these are posted; whoever has no answer posts again */
  owes(ids: readonly string[], incident: string): void;
  /** they were answered after so many milliseconds; `isNew` when at least one was taken as new */
  answered(ids: readonly string[], isNew: boolean, tookMs: number): void;
  /** posts that have no answer yet */
  owed(): readonly { readonly id: string; readonly incident: string }[];
  /** some that were answered */
  sample(count: number): readonly { readonly id: string; readonly incident: string }[];
  /** incidents of events that were answered */
  incidents(): readonly string[];
  /** answers that took something as new */
  readonly acceptedAnew: number;
  /** a replay of these was asked for */
  replays(ids: readonly string[]): void;
  /** an id that was answered before was taken as new */
  forgot(id: string): void;
  /** the relay ended, milliseconds since 1970, and where */
  killed(at: number, where: string): void;
  verdict(): {
    readonly accepted: number;
    readonly lost: readonly string[];
    readonly duplicates: number;
    /** of them, those that a kill explains, by where it was */
    readonly duplicatesBy: Readonly<Record<string, number>>;
    readonly unexplained: readonly string[];
    /** most repeats at one receiver that one kill explains */
    readonly mostPerKill: number;
    /** kills that would explain more repeats than could be under way */
    readonly tooMany: readonly string[];
    /** ids that arrived and were never posted */
    readonly unknown: readonly string[];
    /** longest time that a repeat was explained with, in milliseconds */
    readonly longestMs: number;
    readonly notReplayed: readonly string[];
    readonly forgotten: readonly string[];
  };
}

interface Kill {
  readonly at: number;
  readonly where: string;
  /** what the machine's load is allowed to add */
  readonly loadMs: number;
}

interface Arrival {
  readonly at: number;
  readonly isReplay: boolean;
}

/**
 * Makes the ledger of a run; watches the receivers from now on.
 * @param now milliseconds since 1970
 */
export function createLedger(receivers: readonly Receiver[], now: () => number = () => Date.now()): Ledger {
  const incidents = new Map<string, string>();
  const open = new Set<string>();
  const done = new Set<string>();
  const replayed = new Set<string>();
  const forgotten: string[] = [];
  const ends: Kill[] = [];
  let acceptedAnew = 0;
  /** of the answers since the last kill, in milliseconds */
  let slowestMs = 0;
  const arrivals = receivers.map((receiver) => {
    const byId = new Map<string, Arrival[]>();
    receiver.behave(({ headers }, response) => {
      const id = headers["webhook-id"] ?? "";
      const isReplay = headers["tote-replay"] === "true";
      byId.set(id, [...(byId.get(id) ?? []), { at: now(), isReplay }]);
      response.writeHead(204).end();
    });
    return byId;
  });
  const list = (ids: Iterable<string>) => [...ids].map((id) => ({ id, incident: incidents.get(id) ?? "" }));

  /** An arrival that repeats an earlier one is right when the relay ended soon after that. */
  function explanation(before: Arrival, after: Arrival): Kill | undefined {
    return ends.find(
      ({ at, loadMs }) =>
        at >= before.at - NOTICED_MS - loadMs && at - before.at < AROUND_MS + loadMs && at <= after.at,
    );
  }

  return {
    owes(ids, incident) {
      for (const id of ids) {
        incidents.set(id, incident);
        if (!done.has(id)) open.add(id);
      }
    },
    answered(ids, isNew, tookMs) {
      slowestMs = Math.max(slowestMs, tookMs);
      if (isNew) acceptedAnew += 1;
      for (const id of ids) {
        open.delete(id);
        done.add(id);
      }
    },
    owed: () => list(open),
    incidents: () => [...new Set([...done].map((id) => incidents.get(id) ?? ""))],
    sample: (count) => list([...done].filter((_, at) => at % Math.ceil(done.size / count) === 0)),
    get acceptedAnew() {
      return acceptedAnew;
    },
    replays(ids) {
      for (const id of ids) replayed.add(id);
    },
    forgot: (id) => void forgotten.push(id),
    killed(at, where) {
      ends.push({ at, where, loadMs: slowestMs });
      slowestMs = 0;
    },
    verdict() {
      const lost: string[] = [];
      const unexplained: string[] = [];
      const notReplayed: string[] = [];
      const duplicatesBy: Record<string, number> = {};
      const tooMany: string[] = [];
      const unknown: string[] = [];
      let duplicates = 0;
      let mostPerKill = 0;
      let longestMs = 0;
      for (const byId of arrivals) {
        const perKill = new Map<Kill, number>();
        unknown.push(...[...byId.keys()].filter((id) => !incidents.has(id)));
        for (const id of done) if (!byId.has(id)) lost.push(id);
        for (const id of replayed) {
          if (byId.get(id)?.some(({ isReplay }) => isReplay) !== true) notReplayed.push(id);
        }
        for (const [id, all] of byId) {
          for (const isReplay of [false, true]) {
            const same = all.filter((arrival) => arrival.isReplay === isReplay);
            for (const [index, arrival] of same.entries()) {
              const before = same[index - 1];
              if (before === undefined) continue;
              duplicates += 1;
              const kill = explanation(before, arrival);
              if (kill === undefined) {
                unexplained.push(id);
                continue;
              }
              duplicatesBy[kill.where] = (duplicatesBy[kill.where] ?? 0) + 1;
              perKill.set(kill, (perKill.get(kill) ?? 0) + 1);
              longestMs = Math.max(longestMs, kill.at - before.at);
            }
          }
        }
        for (const [{ where }, count] of perKill) {
          mostPerKill = Math.max(mostPerKill, count);
          if (count > REPEATS_PER_KILL) tooMany.push(`${where}: ${count}`);
        }
      }
      const wrong = { lost, unexplained, tooMany, unknown, notReplayed, forgotten };
      return { accepted: done.size, duplicates, duplicatesBy, mostPerKill, longestMs, ...wrong };
    },
  };
}
