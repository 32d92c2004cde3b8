import process from "node:process";
import { setFlagsFromString } from "node:v8";

import { keepAlive, systemClock } from "../lib/clock.ts";
import { describeError } from "../lib/errors.ts";
import type { Environment } from "../lib/flags.ts";
import { startHealthServer, type HealthServer } from "../lib/health-server.ts";
import { createLogger, logFormat, type Logger } from "../lib/log.ts";
import { isMainModule } from "../lib/main-module.ts";
import { boundShutdown, onShutdownSignal } from "../lib/shutdown.ts";
import { registerTlsMetrics } from "../lib/tls-metrics.ts";
import { TlsReloader } from "../lib/tls-reload.ts";
import { toteVersion } from "../lib/version.ts";
import { readControllerConfig, type ControllerConfig } from "./config.ts";
import { createController } from "./controller.ts";
import { HEAP_GROWTH_PERCENT } from "./limits.ts";
import { registerInsecurity } from "./insecurity.ts";
import { loadKubeConnection, type KubeConfigSource } from "./kube/kube-config.ts";
import { serveWebhook, type ServedWebhook } from "./webhook/serve-webhook.ts";

/**
 * Runs the controller until a signal ends it.
 * @returns the exit code: 0 after an orderly end, 1 when it could not run, 2 for a mistake on the command line
 */
export async function main(argv: readonly string[], env: Environment): Promise<number> {
  const parsed = readControllerConfig(argv, env);
  if (parsed.kind === "help") {
    process.stdout.write(parsed.text);
    return 0;
  }
  if (parsed.kind === "error") {
    process.stderr.write(`tote: ${parsed.message}\n`);
    return 2;
  }
  const { config } = parsed;
  // whoever read the log is gone: no reason to stop
  process.stdout.on("error", () => undefined);
  const logger = createLogger({
    name: "controller",
    level: config.logLevel,
    format: logFormat(config.jsonLog, process.stdout.isTTY),
    now: () => Date.now(),
    write: (line) => void process.stdout.write(line),
  });
  const stop = onShutdownSignal();
  // what is known of a cluster lives long, and each full collection finds little: V8 would let garbage become as much again
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWTH_PERCENT}`);
  try {
    if (config.enabled) await run(config, env, logger, stop);
    else await rest(config, logger, stop);
    return 0;
  } catch (error) {
    if (stop.aborted) return 0;
    process.stderr.write(`tote: ${describeError(error)}\n`);
    return 1;
  }
}

async function run(
  config: ControllerConfig,
  env: Environment,
  logger: Logger,
  stop: AbortSignal,
): Promise<void> {
  const version = await toteVersion();
  let onCertificates = (): void => undefined;
  const reloader =
    config.tls === undefined
      ? undefined
      : await TlsReloader.open(
          {
            files: config.tls,
            clock: systemClock,
            onChange: () => {
              onCertificates();
              logger.info("certificates reloaded");
            },
            onError: (error) =>
              logger.error("certificates not reloaded, the old ones stay in use", { error }),
          },
          stop,
        );
  const connection = await loadKubeConnection(kubeSource(config, env), systemClock);
  const controller = createController({
    config,
    version,
    connection,
    tls: () => reloader?.current,
    clock: systemClock,
    random: () => Math.random(),
    logger,
  });
  onCertificates = () => controller.certificatesChanged();
  if (config.insecure) logger.warn("INSECURE: agents are called without TLS and without grants");
  const { registry } = controller;
  registerInsecurity(registry, config.insecure);
  let webhook: ServedWebhook | undefined;
  registerTlsMetrics(registry, {
    service: () => reloader?.current.cert,
    webhook: () => webhook?.certificate(),
  });
  const readiness = () => controller.readiness();
  const servers = await serve(config, { registry, readiness });
  logger.info("controller started", { version, server: connection.server });
  const ended = new AbortController();
  const reloading = reloader?.run(ended.signal);
  const letGo = keepAlive();
  const serving = { registry, logger: logger.child("webhook") };
  const { shutdownTimeoutMs } = config;
  const inTime = boundShutdown(stop, {
    timeoutMs: shutdownTimeoutMs,
    clock: systemClock,
    onLate: () => {
      const message = "what was begun has not ended in time, another controller goes on with it";
      logger.error(message, { shutdownTimeoutMs });
      process.exit(1);
    },
  });
  try {
    if (config.admission !== undefined) webhook = await serveWebhook(config.admission, serving, stop);
    await controller.run(stop);
  } finally {
    letGo();
    ended.abort();
    await reloading;
    await webhook?.close();
    await Promise.all(servers.map((server) => server.close()));
    inTime();
  }
  logger.info("controller stopped");
}

/** The kill switch: sees nothing, does nothing, and says so. */
async function rest(config: ControllerConfig, logger: Logger, stop: AbortSignal): Promise<void> {
  const { Registry } = await import("prom-client");
  logger.warn("tote is switched off with --enabled=false: it sees nothing and does nothing");
  const readiness = () => ({ ready: true, reason: "" });
  const servers = await serve(config, { registry: new Registry(), readiness });
  const { promise, resolve } = Promise.withResolvers<void>();
  stop.addEventListener("abort", () => resolve(), { once: true });
  if (!stop.aborted) await promise;
  await Promise.all(servers.map((server) => server.close()));
}

async function serve(
  config: ControllerConfig,
  options: Pick<Parameters<typeof startHealthServer>[0], "registry" | "readiness">,
): Promise<readonly HealthServer[]> {
  const metrics = await startHealthServer({ ...config.metricsAddr, ...options });
  try {
    const health = { ...config.healthAddr, flag: "--health-addr", ...options };
    return [metrics, await startHealthServer(health)];
  } catch (error) {
    await metrics.close();
    throw error;
  }
}

function kubeSource(config: ControllerConfig, env: Environment): KubeConfigSource {
  if (config.kubeconfig !== undefined) return { kind: "file", path: config.kubeconfig };
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env;
  if (host === undefined || port === undefined) {
    throw new Error("this is no pod of a cluster (KUBERNETES_SERVICE_HOST is not set): give --kubeconfig");
  }
  return { kind: "in-cluster", host, port };
}

if (isMainModule(import.meta.url, process.argv[1])) {
  process.exitCode = await main(process.argv.slice(2), process.env);
}
