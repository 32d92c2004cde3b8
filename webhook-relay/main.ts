import { randomUUID } from "node:crypto";
import process from "node:process";

import { Registry } from "prom-client";

import { keepAlive, systemClock } from "../lib/clock.ts";
import { describeError } from "../lib/errors.ts";
import type { Environment } from "../lib/flags.ts";
import { startHealthServer } from "../lib/health-server.ts";
import { createLogger, logFormat, type Logger } from "../lib/log.ts";
import { isMainModule } from "../lib/main-module.ts";
import { onShutdownSignal } from "../lib/shutdown.ts";
import { registerTlsMetrics } from "../lib/tls-metrics.ts";
import { toteVersion } from "../lib/version.ts";
import { readRelayConfig, type RelayConfig } from "./config.ts";
import { registerDurability } from "./durability.ts";
import { followServerTls, followSubscriptions, followTokens } from "./followers.ts";
import { peerOf, refuseUnlessController, startRelayServer, type RelayServer } from "./http-server.ts";
import { Redactor } from "./redact.ts";
import { createRelay, type Relay } from "./relay.ts";
import { createSinkFactories } from "./sinks/all-sinks.ts";
import { sinkTypes } from "./sinks/make-sink.ts";

/** How long requests under way have at the end, in milliseconds. */
const REQUESTS_GRACE_MS = 2_000;

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
  // while it ends there may be nothing else left that keeps the process
  const letGo = keepAlive();
  try {
    await run(config, logger, redactor, onShutdownSignal());
    logger.info("relay stopped");
    return 0;
  } catch (error) {
    process.stderr.write(`tote webhook-relay: ${redactor.redact(describeError(error))}\n`);
    return 1;
  } finally {
    letGo();
  }
}

async function run(
  config: RelayConfig,
  logger: Logger,
  redactor: Redactor,
  stop: AbortSignal,
): Promise<void> {
  const context = { config, logger, redactor, signal: stop };
  const sinks = createSinkFactories();
  let relay: Relay | undefined;
  let server: RelayServer | undefined;
  const tokens = await followTokens(context);
  const subscriptions = await followSubscriptions(context, sinkTypes(sinks), {
    onChange: (value) =>
      void relay?.apply(value).then(
        () => {
          relay?.metrics.reloaded(true, Date.now());
          logger.info("configuration reloaded", { subscriptions: value.length });
        },
        (error: unknown) => {
          relay?.metrics.reloaded(false, Date.now());
          logger.error("configuration not applied", { error });
        },
      ),
    onLook: (isGood) => relay?.metrics.reloaded(isGood, Date.now()),
  });
  const certificates = await followServerTls(context, (material) => server?.updateTls(material));

  // what was begun is ended in reverse order, also when something after it cannot begin
  await using begun = new AsyncDisposableStack();
  const registry = new Registry();
  registerDurability(registry, config.ephemeralData);
  if (certificates !== undefined) registerTlsMetrics(registry, { service: () => certificates.current.cert });
  const running = createRelay({
    dataDir: config.dataDir,
    retention: config.retention,
    sinks,
    network: { refusePrivate: config.refusePrivateAddresses, alsoRefuse: config.alsoRefuse },
    tokens: () => tokens.current,
    registry,
    clock: systemClock,
    random: Math.random,
    randomId: () => randomUUID(),
    logger,
    redactor,
    peerOf,
    ...(config.requireClientCert && { refusePeer: refuseUnlessController }),
  });
  begun.defer(() => running.stop(config.shutdownTimeoutMs));
  relay = running;
  relay.metrics.reloaded(true, Date.now());
  // whoever posts before would find no subscription that wants the event
  await relay.apply(subscriptions.current);
  const listening = await startRelayServer({
    listen: config.listen,
    app: relay.app,
    tls: certificates?.current,
  });
  begun.defer(() => listening.close(REQUESTS_GRACE_MS));
  server = listening;
  const health = await startHealthServer({
    ...config.metricsAddr,
    registry,
    readiness: () => running.readiness(),
  });
  begun.defer(() => health.close());
  logger.info("relay started", {
    version: await toteVersion(),
    address: server.address,
    metrics: health.address,
    subscriptions: subscriptions.current.length,
  });
  if (config.ephemeralData) logger.warn("the store is lost with this pod, and what is not delivered with it");
  if (config.tls === undefined) logger.warn("no TLS: whoever can listen in can read tokens and events");

  const ended = new AbortController();
  const background = Promise.all([
    relay.run(ended.signal),
    tokens.run(ended.signal),
    subscriptions.run(ended.signal),
    certificates?.run(ended.signal),
  ]);
  begun.defer(async () => {
    logger.info("relay stops");
    running.retire();
    ended.abort();
    await background;
  });
  await Promise.race([untilAborted(stop), background]);
}

async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve(), { once: true });
  await promise;
}

if (isMainModule(import.meta.url, process.argv[1])) {
  process.exitCode = await main(process.argv.slice(2), process.env);
}
