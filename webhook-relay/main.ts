import { randomUUID } from "node:crypto";
import process from "node:process";
import { pathToFileURL } from "node:url";

import { Registry } from "prom-client";

import { systemClock } from "../lib/clock.ts";
import { describeError } from "../lib/errors.ts";
import type { Environment } from "../lib/flags.ts";
import { startHealthServer } from "../lib/health-server.ts";
import { createLogger, logFormat, type Logger } from "../lib/log.ts";
import { onShutdownSignal } from "../lib/shutdown.ts";
import { toteVersion } from "../lib/version.ts";
import { readRelayConfig, type RelayConfig } from "./config.ts";
import { readTextFile } from "./files.ts";
import { Follower } from "./follow.ts";
import { refuseUnlessController, startRelayServer } from "./http-server.ts";
import { Redactor } from "./redact.ts";
import { createRelay, type Relay } from "./relay.ts";
import { loadServerTls } from "./server-tls.ts";
import { sinkTypes, type SinkFactories } from "./sinks/make-sink.ts";
import { createWebhookSink } from "./sinks/webhook/webhook-sink.ts";
import { loadSubscriptions } from "./subscriptions/load.ts";
import { secretsOf } from "./subscriptions/secrets.ts";
import { loadTokens } from "./tokens.ts";

/** How long requests under way have at the end, in milliseconds. */
const REQUESTS_GRACE_MS = 2_000;

/** What this relay can deliver to. */
const SINKS: SinkFactories = { webhook: createWebhookSink };

/**
 * Runs the relay until a signal ends it.
 * @returns the exit code: 0 after an orderly end, 1 when it could not run, 2 for a mistake on the command line
 */
export async function main(argv: readonly string[], env: Environment): Promise<number> {
  const parsed = readRelayConfig(argv, env);
  if (parsed.kind === "help") {
    process.stdout.write(parsed.text);
    return 0;
  }
  if (parsed.kind === "error") {
    process.stderr.write(`tote webhook-relay: ${parsed.message}\n`);
    return 2;
  }
  const { config } = parsed;
  const redactor = new Redactor();
  // whoever read the log is gone: no reason to stop
  process.stdout.on("error", () => undefined);
  const logger = createLogger({
    name: "webhook-relay",
    level: config.logLevel,
    format: logFormat(config.jsonLog, process.stdout.isTTY),
    now: () => Date.now(),
    write: (line) => void process.stdout.write(redactor.redact(line)),
  });
  try {
    await run(config, logger, redactor, onShutdownSignal());
    return 0;
  } catch (error) {
    process.stderr.write(`tote webhook-relay: ${redactor.redact(describeError(error))}\n`);
    return 1;
  }
}

async function run(
  config: RelayConfig,
  logger: Logger,
  redactor: Redactor,
  stop: AbortSignal,
): Promise<void> {
  const common = { clock: systemClock, intervalMs: config.reloadIntervalMs };
  const tokens = await Follower.open(
    {
      ...common,
      async load(signal) {
        const loaded = await loadTokens(config.tokenFiles, readTextFile, signal);
        redactor.learn(loaded.value.secrets);
        return loaded;
      },
      onChange: () => logger.info("tokens reloaded"),
      onError: (error) => logger.error("tokens not reloaded, the old ones stay valid", { error }),
      onGood: () => logger.info("token files are good again"),
    },
    stop,
  );
  let relay: Relay | undefined;
  const subscriptions = await Follower.open(
    {
      ...common,
      async load(signal) {
        const options = { file: config.configFile, types: sinkTypes(SINKS) };
        const loaded = await loadSubscriptions(options, readTextFile, signal);
        redactor.learn(loaded.value.flatMap(secretsOf));
        return loaded;
      },
      onChange(value) {
        logger.info("configuration reloaded", { subscriptions: value.length });
        relay?.metrics.reloaded(true, Date.now());
        relay?.apply(value).catch((error: unknown) => logger.error("configuration not applied", { error }));
      },
      onError(error) {
        logger.error("configuration not reloaded, the old one stays in force", { error });
        relay?.metrics.reloaded(false, Date.now());
      },
      onGood() {
        logger.info("configuration is good again");
        relay?.metrics.reloaded(true, Date.now());
      },
    },
    stop,
  );
  const { tls } = config;
  const certificates =
    tls === undefined
      ? undefined
      : await Follower.open(
          {
            ...common,
            load: (signal) => loadServerTls(tls, readTextFile, signal),
            onChange(material) {
              server.updateTls(material);
              logger.info("certificates reloaded");
            },
            onError: (error) =>
              logger.error("certificates not reloaded, the old ones stay in use", { error }),
            onGood: () => logger.info("certificate files are good again"),
          },
          stop,
        );

  const registry = new Registry();
  relay = createRelay({
    dataDir: config.dataDir,
    retention: config.retention,
    sinks: SINKS,
    network: { refusePrivate: config.refusePrivateAddresses, alsoRefuse: config.alsoRefuse },
    tokens: () => tokens.current,
    registry,
    clock: systemClock,
    random: Math.random,
    randomId: () => randomUUID(),
    logger,
    redactor,
    ...(config.requireClientCert && { refusePeer: refuseUnlessController }),
  });
  relay.metrics.reloaded(true, Date.now());
  relay.metrics.storeWritable(true);
  const ended = new AbortController();
  const running = relay;
  const health = await startHealthServer({
    ...config.metricsAddr,
    registry,
    readiness: () => running.readiness(),
  });
  const server = await startRelayServer({
    listen: config.listen,
    app: relay.app,
    tls: certificates?.current,
  });
  await relay.apply(subscriptions.current);
  const version = await toteVersion();
  logger.info("relay started", {
    version,
    address: server.address,
    metrics: health.address,
    subscriptions: subscriptions.current.length,
  });
  if (tls === undefined) logger.warn("no TLS: whoever can listen in can read tokens and events");

  const background = Promise.all([
    relay.run(ended.signal),
    tokens.run(ended.signal),
    subscriptions.run(ended.signal),
    certificates?.run(ended.signal),
  ]);
  await Promise.race([untilAborted(stop), background]);
  logger.info("relay stops");
  relay.retire();
  ended.abort();
  await background;
  await server.close(REQUESTS_GRACE_MS);
  await relay.stop(config.shutdownTimeoutMs);
  await health.close();
  logger.info("relay stopped");
}

async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve(), { once: true });
  await promise;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  process.exitCode = await main(process.argv.slice(2), process.env);
}
