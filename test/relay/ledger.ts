import type { Receiver } from "../../webhook-relay/testing/receiver.ts";

/** How long before the end of a relay an arrival may lie that comes again after it, in milliseconds. */
const AROUND_MS = 3_000;

/** What was posted, answered and asked for, to be held against what arrived. */
export interface Ledger {
  /** these are posted; whoever has no answer posts again */
  owes(ids: readonly string[], incident: string): void;
  /** they were answered; `isNew` when at least one was taken as new */
  answered(ids: readonly string[], isNew: boolean): void;
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
    readonly notReplayed: readonly string[];
    readonly forgotten: readonly string[];
  };
}

interface Arrival {
  readonly at: number;
  readonly isReplay: boolean;
}

/** Makes the ledger of a run; watches the receivers from now on. */
export function createLedger(receivers: readonly Receiver[]): Ledger {
  const incidents = new Map<string, string>();
  const open = new Set<string>();
  const done = new Set<string>();
  const replayed = new Set<string>();
  const forgotten: string[] = [];
  const ends: { readonly at: number; readonly where: string }[] = [];
  let acceptedAnew = 0;
  const arrivals = receivers.map((receiver) => {
    const byId = new Map<string, Arrival[]>();
    receiver.behave(({ headers }, response) => {
      const id = headers["webhook-id"] ?? "";
      const isReplay = headers["tote-replay"] === "true";
      byId.set(id, [...(byId.get(id) ?? []), { at: Date.now(), isReplay }]);
      response.writeHead(204).end();
    });
    return byId;
  });
  const list = (ids: Iterable<string>) => [...ids].map((id) => ({ id, incident: incidents.get(id) ?? "" }));

  /** An arrival that repeats an earlier one is right when the relay ended soon after that. */
  function explanation(before: Arrival, after: Arrival): string | undefined {
    return ends.find(({ at }) => at >= before.at - 50 && at - before.at < AROUND_MS && at <= after.at)?.where;
  }

  return {
    owes(ids, incident) {
      for (const id of ids) {
        incidents.set(id, incident);
        if (!done.has(id)) open.add(id);
      }
    },
    answered(ids, isNew) {
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
    killed: (at, where) => void ends.push({ at, where }),
    verdict() {
      const lost: string[] = [];
      const unexplained: string[] = [];
      const notReplayed: string[] = [];
      const duplicatesBy: Record<string, number> = {};
      let duplicates = 0;
      for (const byId of arrivals) {
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
              const where = explanation(before, arrival);
              if (where === undefined) unexplained.push(id);
              else duplicatesBy[where] = (duplicatesBy[where] ?? 0) + 1;
            }
          }
        }
      }
      return { accepted: done.size, lost, duplicates, duplicatesBy, unexplained, notReplayed, forgotten };
    },
  };
}
