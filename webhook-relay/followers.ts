import { systemClock } from "../lib/clock.ts";
import type { Logger } from "../lib/log.ts";
import type { RelayConfig } from "./config.ts";
import { readTextFile } from "./files.ts";
import { Follower } from "./follow.ts";
import type { Redactor } from "./redact.ts";
import { loadServerTls, type ServerTls } from "./server-tls.ts";
import { loadSubscriptions } from "./subscriptions/load.ts";
import { secretsOf } from "./subscriptions/secrets.ts";
import type { ResolvedSubscription, SubscriptionType } from "./subscriptions/subscription.ts";
import { loadTokens, type TokenSet } from "./tokens.ts";

/** What files are followed with. */
export interface FollowContext {
  readonly config: RelayConfig;
  readonly logger: Logger;
  /** learns every secret before anything can be said about it */
  readonly redactor: Redactor;
  readonly signal: AbortSignal;
}

/**
 * Reads the files of tokens, to be followed.
 * @throws FileError
 */
export async function followTokens({
  config,
  logger,
  redactor,
  signal,
}: FollowContext): Promise<Follower<TokenSet>> {
  const options = {
    clock: systemClock,
    intervalMs: config.reloadIntervalMs,
    async load(loadSignal: AbortSignal) {
      const loaded = await loadTokens(config.tokenFiles, readTextFile, loadSignal);
      redactor.learn(loaded.value.secrets);
      return loaded;
    },
    onChange: () => logger.info("tokens reloaded"),
    onError: (error: unknown) => logger.error("tokens not reloaded, the old ones stay valid", { error }),
    onGood: () => logger.info("token files are good again"),
  };
  return await Follower.open(options, signal);
}

/** What becomes of a look at the configuration. */
export interface SubscriptionListener {
  /** takes them over; says itself when they are in force */
  readonly onChange: (subscriptions: readonly ResolvedSubscription[]) => void;
  /** whether the newest look found it good, when there was nothing new to take over */
  readonly onLook: (isGood: boolean) => void;
}

/**
 * Reads the file of subscriptions and all files that it names, to be followed.
 * @throws ConfigError, FileError, InvalidValueError
 */
export async function followSubscriptions(
  { config, logger, redactor, signal }: FollowContext,
  types: readonly SubscriptionType[],
  listener: SubscriptionListener,
): Promise<Follower<readonly ResolvedSubscription[]>> {
  const options = {
    clock: systemClock,
    intervalMs: config.reloadIntervalMs,
    async load(loadSignal: AbortSignal) {
      const loaded = await loadSubscriptions({ file: config.configFile, types }, readTextFile, loadSignal);
      redactor.learn(loaded.value.flatMap(secretsOf));
      return loaded;
    },
    onChange(value: readonly ResolvedSubscription[]) {
      listener.onChange(value);
    },
    onError(error: unknown) {
      logger.error("configuration not reloaded, the old one stays in force", { error });
      listener.onLook(false);
    },
    onGood() {
      logger.info("configuration is good again");
      listener.onLook(true);
    },
  };
  return await Follower.open(options, signal);
}

/**
 * Reads the files of the relay's own TLS, to be followed; undefined without TLS.
 * @throws FileError, TlsMaterialError
 */
export async function followServerTls(
  { config, logger, signal }: FollowContext,
  onChange: (material: ServerTls) => void,
): Promise<Follower<ServerTls> | undefined> {
  const { tls } = config;
  if (tls === undefined) return undefined;
  const options = {
    clock: systemClock,
    intervalMs: config.reloadIntervalMs,
    load: (loadSignal: AbortSignal) => loadServerTls(tls, readTextFile, loadSignal),
    onChange(material: ServerTls) {
      onChange(material);
      logger.info("certificates reloaded");
    },
    onError: (error: unknown) =>
      logger.error("certificates not reloaded, the old ones stay in use", { error }),
    onGood: () => logger.info("certificate files are good again"),
  };
  return await Follower.open(options, signal);
}
