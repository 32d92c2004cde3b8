import { WEBHOOK_CONCURRENCY } from "../../webhook-relay/limits.ts";
import type { Receiver } from "../../webhook-relay/testing/receiver.ts";

/**
 * Deliveries to one receiver that can come again after one kill: those under way, and those that they made room for in the few
 * milliseconds for which ends of attempts wait for each other's commit.
 */
const REPEATS_PER_KILL = 8 * WEBHOOK_CONCURRENCY;

/** A delivery that the store of a relay that ended does not have as done. */
export interface OpenDelivery {
  readonly subscription: string;
  /** of the event */
  readonly id: string;
  readonly isReplay: boolean;
}

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
  /** the relay was killed, where, and what its store says of it */
  killed(where: string, open: readonly OpenDelivery[]): void;
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
    readonly notReplayed: readonly string[];
    readonly forgotten: readonly string[];
  };
}

interface Kill {
  readonly where: string;
  /** keys of what may come again */
  readonly open: ReadonlySet<string>;
}

interface Arrival {
  /** how often the relay had been killed before */
  readonly kills: number;
  readonly isReplay: boolean;
}

/** Makes the ledger of a run; watches the receivers, by name of their subscription, from now on. */
export function createLedger(receivers: Readonly<Record<string, Receiver>>): Ledger {
  const incidents = new Map<string, string>();
  const unanswered = new Set<string>();
  const done = new Set<string>();
  const replayed = new Set<string>();
  const forgotten: string[] = [];
  const kills: Kill[] = [];
  let acceptedAnew = 0;
  const arrivals = Object.entries(receivers).map(([subscription, receiver]) => {
    const byId = new Map<string, Arrival[]>();
    receiver.behave(({ headers }, response) => {
      const id = headers["webhook-id"] ?? "";
      const isReplay = headers["tote-replay"] === "true";
      byId.set(id, [...(byId.get(id) ?? []), { kills: kills.length, isReplay }]);
      response.writeHead(204).end();
    });
    return { subscription, byId };
  });
  const list = (ids: Iterable<string>) => [...ids].map((id) => ({ id, incident: incidents.get(id) ?? "" }));

  return {
    owes(ids, incident) {
      for (const id of ids) {
        incidents.set(id, incident);
        if (!done.has(id)) unanswered.add(id);
      }
    },
    answered(ids, isNew) {
      if (isNew) acceptedAnew += 1;
      for (const id of ids) {
        unanswered.delete(id);
        done.add(id);
      }
    },
    owed: () => list(unanswered),
    incidents: () => [...new Set([...done].map((id) => incidents.get(id) ?? ""))],
    sample: (count) => list([...done].filter((_, at) => at % Math.ceil(done.size / count) === 0)),
    get acceptedAnew() {
      return acceptedAnew;
    },
    replays(ids) {
      for (const id of ids) replayed.add(id);
    },
    forgot: (id) => void forgotten.push(id),
    killed(where, open) {
      kills.push({ where, open: new Set(open.map(keyOf)) });
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
      for (const { subscription, byId } of arrivals) {
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
              const key = keyOf({ subscription, id, isReplay });
              const kill = kills.slice(before.kills, arrival.kills).find(({ open }) => open.has(key));
              if (kill === undefined) {
                unexplained.push(id);
                continue;
              }
              duplicatesBy[kill.where] = (duplicatesBy[kill.where] ?? 0) + 1;
              perKill.set(kill, (perKill.get(kill) ?? 0) + 1);
            }
          }
        }
        for (const [{ where }, count] of perKill) {
          mostPerKill = Math.max(mostPerKill, count);
          if (count > REPEATS_PER_KILL) tooMany.push(`${where}: ${count}`);
        }
      }
      const wrong = { lost, unexplained, tooMany, unknown, notReplayed, forgotten };
      return { accepted: done.size, duplicates, duplicatesBy, mostPerKill, ...wrong };
    },
  };
}

function keyOf({ subscription, id, isReplay }: OpenDelivery): string {
  return `${subscription} ${isReplay ? "again " : ""}${id}`;
}
