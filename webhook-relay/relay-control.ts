import type { Clock } from "../lib/clock.ts";
import type { Acceptor } from "./accept.ts";
import type { MatchResult, RelayControl, SubscriptionStatus } from "./control.ts";
import { afterDisable, afterEnable } from "./deliver/breaker.ts";
import type { Dispatcher } from "./deliver/dispatcher.ts";
import type { Lane } from "./deliver/lane.ts";
import type { Replayer } from "./deliver/replayer.ts";
import type { RelayEvent } from "./event/event.ts";
import { describeUrl } from "./redact.ts";
import type { RelayStore, StateCount } from "./store/store.ts";
import { mismatch } from "./subscriptions/match.ts";

/** What control is made of. */
export interface RelayControlOptions {
  readonly store: RelayStore;
  readonly dispatcher: Dispatcher;
  readonly replayer: Replayer;
  readonly acceptor: Acceptor;
  readonly clock: Clock;
  /** an id that was never given before, without "." */
  readonly randomId: () => string;
  /** keeps secrets out of what is stored */
  readonly redact: (text: string) => string;
}

/** Type of the event that a test sends. */
export const TEST_TYPE = "tote.relay.test";

/** Makes the control of a running relay. */
export function createRelayControl(options: RelayControlOptions): RelayControl {
  const { store, dispatcher, replayer, acceptor, clock, randomId, redact } = options;
  return {
    events: (query, page) => store.events(query, page),
    event: (id) => store.event(id),
    deliveries: (query, page) => store.deliveries(query, page),
    delivery: (id) => store.delivery(id),
    attempts: (deliveryId) => store.attempts(deliveryId),
    incidents: (page) => store.incidents(page),
    subscriptions() {
      const counts = store.counts();
      return dispatcher.lanes.map((lane) => statusOf(lane, counts));
    },
    match: (event) => dispatcher.lanes.map((lane) => matchOf(lane, event)),

    async redeliver(deliveryId) {
      const result = await store.sendAgain(deliveryId, clock.now());
      const delivery = store.delivery(deliveryId);
      if (result === "queued" && delivery !== undefined) dispatcher.wake([delivery.subscription]);
      return result;
    },
    async setEnabled(name, isEnabled, reason) {
      const lane = dispatcher.lane(name);
      if (lane === undefined) return false;
      const { current } = lane.health;
      const next = isEnabled
        ? afterEnable(current)
        : afterDisable(current, "operator", redact(reason), clock.now());
      await lane.health.save(next);
      lane.wake();
      return true;
    },
    async sendTest(name) {
      const lane = dispatcher.lane(name);
      if (lane === undefined) return undefined;
      const event = testEventFor(name, randomId(), clock.now());
      // never folded: whoever asks wants to see it arrive
      const planned = { subscription: name, groupKey: undefined, intervalMs: 0 };
      const { id, deliveryIds } = await acceptor.acceptFor(event, [planned]);
      const [deliveryId] = deliveryIds;
      return deliveryId === undefined ? undefined : { eventId: id, deliveryId };
    },

    async createReplay(query, perSecond) {
      const replay = await store.createReplay(query, perSecond, clock.now());
      replayer.wake();
      return replay;
    },
    replay: (id) => store.replay(id),
    replays: (page) => store.replays(page),
    cancelReplay: (id) => store.cancelReplay(id, clock.now()),
  };
}

function statusOf({ resolved, health }: Lane, counts: readonly StateCount[]): SubscriptionStatus {
  const { subscription, secrets } = resolved;
  const own = counts.filter((count) => count.subscription === subscription.name);
  const ofState = (state: StateCount["state"]): StateCount | undefined =>
    own.find((one) => one.state === state);
  return {
    subscription,
    target: secrets.url === "" ? "" : describeUrl(secrets.url),
    health: health.current,
    pending: ofState("pending")?.count ?? 0,
    delivering: ofState("delivering")?.count ?? 0,
    folded: ofState("folded")?.count ?? 0,
    dead: ofState("dead")?.count ?? 0,
    oldestPendingAt: ofState("pending")?.oldest,
  };
}

function matchOf({ resolved, health }: Lane, event: RelayEvent): MatchResult {
  const { name, filter } = resolved.subscription;
  const because = mismatch(filter, event);
  return {
    subscription: name,
    matches: because === "",
    because,
    isDisabled: health.current.disabledBy !== undefined,
  };
}

function testEventFor(name: string, id: string, now: number): RelayEvent {
  return {
    id,
    type: TEST_TYPE,
    source: "tote-webhook-relay",
    time: new Date(now).toISOString(),
    subject: `relay/${name}`,
    data: {
      severity: "info",
      reason: "Test",
      message: `This is a test of the subscription ${name}. Nothing has happened.`,
    },
  };
}
