import { readControllerConfig } from "../../controller/config.ts";
import { createController } from "../../controller/controller.ts";
import { loadKubeConnection, type KubeConnection } from "../../controller/kube/kube-config.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Readiness } from "../../lib/health-server.ts";
import { createLogger } from "../../lib/log.ts";
import type { TlsMaterial } from "../../lib/tls.ts";
import type { Cleanup } from "../harness/cleanup.ts";

/** Options of startControllerInside. */
export interface ControllerInsideOptions {
  readonly cleanup: Cleanup;
  /** what it is started with, without ports */
  readonly args: readonly string[];
  /** a file, or a connection of its own */
  readonly connection: string | KubeConnection;
  readonly clock: Clock;
  /** default: plaintext, with --insecure */
  readonly tls?: TlsMaterial;
}

/** A controller in the process of the test. */
export interface ControllerInside {
  readiness(): Readiness;
  /** what it has logged, as JSON lines */
  readonly logs: readonly string[];
  /** Reads one sample of /metrics; 0 when there is none. */
  metric(sample: string): Promise<number>;
  /** Ends it as SIGTERM does. */
  stop(): Promise<void>;
}

/** Starts a controller whose clock the test holds. It has no ports. */
export async function startControllerInside(options: ControllerInsideOptions): Promise<ControllerInside> {
  const { cleanup, args, connection, clock, tls } = options;
  const given = ["--tls-cert=/nowhere/tls.crt", "--tls-key=/nowhere/tls.key", "--tls-ca=/nowhere/ca.crt"];
  const parsed = readControllerConfig([...args, ...(tls === undefined ? ["--insecure"] : given)], {});
  if (parsed.kind !== "config") throw new Error(`${args.join(" ")}: ${JSON.stringify(parsed)}`);
  const logs: string[] = [];
  const logger = createLogger({
    name: "controller",
    level: "info",
    format: "json",
    now: () => clock.now(),
    write: (line) => void logs.push(line),
  });
  const controller = createController({
    config: parsed.config,
    version: "test",
    connection:
      typeof connection === "string"
        ? await loadKubeConnection({ kind: "file", path: connection }, clock)
        : connection,
    tls: () => tls,
    clock,
    random: () => Math.random(),
    logger,
  });
  const stopping = new AbortController();
  const run = controller.run(stopping.signal);
  async function stop(): Promise<void> {
    forget();
    stopping.abort(new Error("the controller is stopped"));
    await run;
  }
  const forget = cleanup.add({ name: "stop the controller", undo: stop, logs: () => logs.join("") });
  return {
    readiness: () => controller.readiness(),
    logs,
    async metric(sample) {
      const text = await controller.registry.metrics();
      const line = text.split("\n").find((candidate) => candidate.startsWith(`${sample} `));
      return line === undefined ? 0 : Number(line.slice(sample.length + 1));
    },
    stop,
  };
}
