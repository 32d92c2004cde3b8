import { randomBytes } from "node:crypto";

import type { Context, Hono } from "hono";
import type { Registry } from "prom-client";

import type { Clock } from "../lib/clock.ts";
import { describeError } from "../lib/errors.ts";
import type { Readiness } from "../lib/health-server.ts";
import type { Logger } from "../lib/log.ts";
import { Acceptor } from "./accept.ts";
import { createApp } from "./app.ts";
import type { RelayControl } from "./control.ts";
import { Dispatcher } from "./deliver/dispatcher.ts";
import { Replayer } from "./deliver/replayer.ts";
import { readStoredEvent } from "./event/validate.ts";
import { Housekeeper, type RetentionPolicy } from "./housekeeper.ts";
import { createRelayMetrics, type RelayMetrics } from "./metrics.ts";
import type { Redactor } from "./redact.ts";
import { createRelayControl } from "./relay-control.ts";
import { parseSigningKey } from "./sign.ts";
import { createMakeSink, type NetworkOptions, type SinkFactories } from "./sinks/make-sink.ts";
import { openStore, type SqliteStoreOptions } from "./store/sqlite-store.ts";
import type { RelayStore } from "./store/store.ts";
import type { ResolvedSubscription } from "./subscriptions/subscription.ts";
import type { TokenSet } from "./tokens.ts";
import { Writability } from "./writability.ts";

/** What a relay is built from. */
export interface RelayOptions {
  readonly dataDir: string;
  readonly retention: RetentionPolicy;
  readonly sinks: SinkFactories;
  readonly network: NetworkOptions;
  /** the tokens that are valid now */
  readonly tokens: () => TokenSet;
  readonly registry: Registry;
  readonly clock: Clock;
  /** 0 included to 1 excluded */
  readonly random: () => number;
  /** an id that was never given before, without "." */
  readonly randomId: () => string;
  readonly logger: Logger;
  readonly redactor: Redactor;
  /** see `IngestOptions` */
  readonly refusePeer?: (context: Context) => string;
  /** see `LoginOptions` */
  readonly peerOf?: (context: Context) => string;
  /** see `CommitQueueOptions` */
  readonly hooks?: Pick<SqliteStoreOptions, "beforeCommit" | "afterCommit" | "midway">;
}

/** A relay: everything but its servers and its files. */
export interface Relay {
  readonly app: Hono;
  readonly control: RelayControl;
  readonly store: RelayStore;
  readonly metrics: RelayMetrics;
  readiness(): Readiness;
  /** Takes over a configuration. */
  apply(subscriptions: readonly ResolvedSubscription[]): Promise<void>;
  /** Cleans up and replays until `signal` fires; deliveries go from the first {@link apply} on. */
  run(signal: AbortSignal): Promise<void>;
  /** Says that it is not ready any more; does everything else as before. */
  retire(): void;
  /** Takes nothing from the store any more, lets what is under way end, and closes the store. */
  stop(graceMs: number): Promise<void>;
}

/**
 * Builds a relay and opens its store.
 * @throws StoreError when the store cannot be had
 */
export function createRelay(options: RelayOptions): Relay {
  const { clock, random, logger, redactor, registry, tokens, refusePeer, peerOf, hooks } = options;
  const { store, setAside, interrupted } = openStore({
    directory: options.dataDir,
    clock,
    parseEvent: readStoredEvent,
    ...(hooks?.beforeCommit !== undefined && { beforeCommit: hooks.beforeCommit }),
    ...(hooks?.midway !== undefined && { midway: hooks.midway }),
    afterCommit(milliseconds, operations) {
      metrics.commit(milliseconds, operations);
      hooks?.afterCommit?.(milliseconds, operations);
    },
  });
  const metrics = createRelayMetrics({
    registry,
    counts: () => store.counts(),
    size: () => store.size(),
    now: () => clock.now(),
  });
  if (setAside !== undefined) {
    metrics.setAside();
    logger.error("the store was broken: it was set aside and a new one begun", { ...setAside });
  }
  if (interrupted > 0)
    logger.warn("deliveries were under way when the relay ended, they are made again", { interrupted });
  const writability = new Writability(metrics);
  let stage: Readiness = { ready: false, reason: "the relay starts" };
  // one for the health server, the app and the page
  const readiness = (): Readiness =>
    stage.ready && writability.problem !== "" ? { ready: false, reason: writability.problem } : stage;
  let publicKeys: readonly Uint8Array[] = [];

  const makeSink = createMakeSink({ ...options, factories: options.sinks, store, metrics });
  const redact = (text: string): string => redactor.redact(text);
  const dispatcher = new Dispatcher({ store, makeSink, clock, random, metrics, logger, redact });
  const replayer = new Replayer({
    store,
    clock,
    logger: logger.child("replay"),
    wake: (subscriptions) => dispatcher.wake(subscriptions),
  });
  const housekeeper = new Housekeeper({
    store,
    policy: options.retention,
    clock,
    metrics,
    logger: logger.child("housekeeper"),
    maxAgeOf: (name) => dispatcher.lane(name)?.resolved.subscription.retry.maxAgeMs,
    onSetBack(milliseconds) {
      for (const lane of dispatcher.lanes) lane.clockSetBack(milliseconds);
    },
    writability,
  });
  const acceptor = new Acceptor({
    store,
    plan: (event) => dispatcher.plan(event),
    wake: (subscriptions) => dispatcher.wake(subscriptions),
    writability,
    lookAtSize: () => housekeeper.lookAtSize(),
    clock,
    metrics,
    logger: logger.child("accept"),
  });
  const control = createRelayControl({
    store,
    dispatcher,
    replayer,
    acceptor,
    clock,
    randomId: options.randomId,
    redact,
  });
  const app = createApp({
    control,
    acceptor,
    tokens,
    readiness,
    publicKeys: () => publicKeys,
    clock,
    metrics,
    logger: logger.child("http"),
    randomSecret: () => randomBytes(32).toString("base64url"),
    ...(peerOf !== undefined && { peerOf }),
    ...(refusePeer !== undefined && { refusePeer }),
  });

  return {
    app,
    control,
    store,
    metrics,
    readiness,
    async apply(subscriptions) {
      publicKeys = publicKeysOf(subscriptions);
      await dispatcher.apply(subscriptions);
      for (const { subscription, secrets } of subscriptions) {
        if (
          subscription.type === "webhook" &&
          secrets.signingKeys.length === 0 &&
          subscription.format !== "tote-v0"
        ) {
          logger.warn("a webhook without secretFiles is not signed, its receiver cannot tell who posts", {
            subscription: subscription.name,
          });
        }
      }
      stage = { ready: true, reason: "" };
    },
    async run(signal) {
      await Promise.all([housekeeper.run(signal), replayer.run(signal)]);
    },
    retire() {
      stage = { ready: false, reason: "the relay stops" };
    },
    async stop(graceMs) {
      stage = { ready: false, reason: "the relay stops" };
      await dispatcher.stop(graceMs);
      try {
        store.close();
      } catch (error) {
        logger.warn("the store was not closed well, it is put in order at the next start", {
          cause: describeError(error),
        });
      }
    },
  };
}

function publicKeysOf(subscriptions: readonly ResolvedSubscription[]): readonly Uint8Array[] {
  const keys = new Set(subscriptions.flatMap(({ secrets }) => secrets.signingKeys));
  return [...keys]
    .map((key) => parseSigningKey(key, "secretFiles"))
    .flatMap((key) => (key.scheme === "v1a" ? [key.publicKey] : []));
}
