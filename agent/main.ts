import process from "node:process";

import { systemClock } from "../lib/clock.ts";
import { describeError } from "../lib/errors.ts";
import type { Environment } from "../lib/flags.ts";
import { startHealthServer } from "../lib/health-server.ts";
import { createLogger, logFormat, type Logger } from "../lib/log.ts";
import { isMainModule } from "../lib/main-module.ts";
import { onShutdownSignal } from "../lib/shutdown.ts";
import { registerTlsMetrics } from "../lib/tls-metrics.ts";
import { TlsReloader } from "../lib/tls-reload.ts";
import { toteVersion } from "../lib/version.ts";
import { createAgent, type Agent } from "./agent.ts";
import { readAgentConfig, type AgentConfig } from "./config.ts";
import { createContainerd } from "./containerd/client.ts";
import { startRpcServer, type RpcServer } from "./rpc/server.ts";
import { Housekeeper } from "./housekeeper.ts";

/** Time between the end of the last transfer and the end of the process, in milliseconds. */
const FLUSH_MS = 2_000;

/**
 * Runs the agent until a signal ends it.
 * @returns the exit code: 0 after an orderly end, 1 when it could not run, 2 for a mistake on the command line
 */
export async function main(argv: readonly string[], env: Environment): Promise<number> {
  const parsed = readAgentConfig(argv, env);
  if (parsed.kind === "help") {
    process.stdout.write(parsed.text);
    return 0;
  }
  if (parsed.kind === "error") {
    process.stderr.write(`tote agent: ${parsed.message}\n`);
    return 2;
  }
  const { config } = parsed;
  // whoever read the log is gone: no reason to stop
  process.stdout.on("error", () => undefined);
  const logger = createLogger({
    name: "agent",
    level: config.logLevel,
    format: logFormat(config.jsonLog, process.stdout.isTTY),
    now: () => Date.now(),
    write: (line) => void process.stdout.write(line),
  });
  const stop = onShutdownSignal();
  try {
    await run(config, logger, stop);
    logger.info("agent stopped");
    return 0;
  } catch (error) {
    process.stderr.write(`tote agent: ${describeError(error)}\n`);
    return 1;
  }
}

async function run(config: AgentConfig, logger: Logger, stop: AbortSignal): Promise<void> {
  let server: RpcServer | undefined;
  const reloader =
    config.tls === undefined
      ? undefined
      : await TlsReloader.open(
          {
            files: config.tls,
            clock: systemClock,
            onChange(material) {
              server?.updateTls(material);
              logger.info("certificates reloaded");
            },
            onError: (error) =>
              logger.error("certificates not reloaded, the old ones stay in use", { error }),
          },
          stop,
        );
  const version = await toteVersion();
  // what was begun is ended in reverse order, also when something after it cannot begin
  await using begun = new AsyncDisposableStack();
  const containerd = createContainerd({ socket: config.containerdSocket, namespace: "k8s.io" });
  begun.defer(async () => containerd.close());
  const agent = createAgent({
    config,
    version,
    containerd,
    clock: systemClock,
    logger,
    tls: () => reloader?.current,
  });
  if (reloader === undefined)
    logger.warn("INSECURE: no TLS and no grants, whoever connects may do everything");

  if (reloader !== undefined) registerTlsMetrics(agent.registry, { service: () => reloader.current.cert });
  const health = await startHealthServer({
    ...config.metricsAddr,
    registry: agent.registry,
    readiness: () => agent.readiness.state,
  });
  begun.defer(() => health.close());
  const [stopping, ended] = [new AbortController(), new AbortController()];
  const stopped = AbortSignal.any([stop, stopping.signal]);
  server = await startRpcServer({
    host: config.bindAddress,
    port: config.grpcPort,
    ...(reloader !== undefined && { tls: reloader.current }),
    insecure: reloader === undefined,
    logger: logger.child("rpc"),
    shutdownSignal: ended.signal,
    ...agent.rpcOptions(stopped),
  });
  logger.info("agent started", {
    version,
    node: config.nodeName,
    address: server.address,
    port: server.port,
  });

  const housekeeper = new Housekeeper({ agent, containerd, config, clock: systemClock, logger });
  const background = Promise.all([housekeeper.run(stopped), reloader?.run(ended.signal)]);
  try {
    await Promise.race([untilAborted(stop), background.then(() => untilAborted(stop))]);
  } finally {
    stopping.abort();
    await shutDown(agent, server, config, logger);
    ended.abort();
  }
  await background;
}

/** Not ready first, then transfers have their time, then what is left ends as retryable. */
async function shutDown(agent: Agent, server: RpcServer, config: AgentConfig, logger: Logger): Promise<void> {
  logger.info("agent stops", { imports: agent.imports.active, exports: agent.sessions.streams });
  agent.readiness.setNotReady("the agent is shutting down");
  await Promise.all([
    agent.imports.close(config.shutdownTimeoutMs),
    server.close({ graceMs: config.shutdownTimeoutMs + FLUSH_MS }),
  ]);
  try {
    await agent.sessions.close(AbortSignal.timeout(FLUSH_MS));
  } catch (error) {
    logger.warn("leases of exports are left, they expire within the hour", { error });
  }
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
