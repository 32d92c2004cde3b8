import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

import type { Cleanup } from "../harness/cleanup.ts";
import { harnessConfig } from "../harness/config.ts";
import { freePorts } from "../harness/ports.ts";
import { startProcess, type RunningProcess } from "../harness/processes.ts";
import { GiveUp, waitFor } from "../harness/wait.ts";

/** Tokens of a test's relay, as its files hold them. */
export const RELAY_TOKENS = {
  ingest: "ingest-canary-4f1b9c",
  read: "read-canary-77aa01",
  admin: "admin-canary-c0ffee",
} as const;

/** What a relay is started with. */
export interface RelayProcessOptions {
  readonly cleanup: Cleanup;
  /** YAML of the file of subscriptions; other files are named without a folder */
  readonly config: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  /** holds the files; default: one of this run */
  readonly directory?: string;
  /** holds the store; default: a folder inside `directory` */
  readonly dataDir?: string;
  /** default http */
  readonly scheme?: "http" | "https";
  /** wait for /readyz, default true */
  readonly isReady?: boolean;
  /** how long, default 20000 */
  readonly readyTimeoutMs?: number;
  /** what it prints is added to this file, besides; default none */
  readonly logFile?: string;
}

/** The relay's `main.ts` in a process of its own. */
export interface RelayProcess extends RunningProcess {
  readonly url: string;
  readonly metricsUrl: string;
  readonly directory: string;
  readonly dataDir: string;
  /** writes files beside the configuration */
  write(files: Readonly<Record<string, string>>): void;
  metrics(): Promise<string>;
  post(events: unknown): Promise<Response>;
  /** JSON of a path, as whoever may read */
  get(path: string): Promise<Response>;
}

/** Starts a relay; it ends with the test. */
export async function startRelayProcess(options: RelayProcessOptions): Promise<RelayProcess> {
  const {
    cleanup,
    config,
    files = {},
    args = [],
    scheme = "http",
    isReady = true,
    readyTimeoutMs = 20_000,
    logFile,
  } = options;
  const directory = options.directory ?? join(cleanup.directory(), "relay");
  const dataDir = options.dataDir ?? join(directory, "data");
  mkdirSync(directory, { recursive: true });
  const write = (texts: Readonly<Record<string, string>>): void => {
    for (const [name, text] of Object.entries(texts)) writeFileSync(join(directory, name), text);
  };
  write({ "relay.yaml": config, ...tokenFiles(), ...files });
  const [port = 0, metricsPort = 0] = await freePorts(2);
  const file = (name: string): string => join(directory, name);
  const running = startProcess({
    name: "webhook-relay",
    command: process.execPath,
    args: [
      fileURLToPath(new URL("../../webhook-relay/main.ts", import.meta.url)),
      `--listen=127.0.0.1:${port}`,
      `--metrics-addr=127.0.0.1:${metricsPort}`,
      `--config=${file("relay.yaml")}`,
      `--data-dir=${dataDir}`,
      `--token-file=${file("ingest-token")}`,
      `--read-token-file=${file("read-token")}`,
      `--admin-token-file=${file("admin-token")}`,
      "--reload-interval=200ms",
      "--log-level=debug",
      "--json-log",
      ...args,
    ],
    // a relay starts in half the time when its code was compiled before
    env: { NODE_COMPILE_CACHE: join(harnessConfig().cache, "compiled") },
    cleanup,
    logFile,
  });
  const url = `${scheme}://127.0.0.1:${port}`;
  const metricsUrl = `http://127.0.0.1:${metricsPort}`;
  if (isReady) {
    await waitFor(
      "the relay to be ready",
      async () => {
        if (running.status() !== undefined) throw new GiveUp(`the relay has ended: ${running.logs()}`);
        return (await fetch(`${metricsUrl}/readyz`)).ok;
      },
      { timeoutMs: readyTimeoutMs, intervalMs: 20 },
    );
  }
  return {
    ...running,
    url,
    metricsUrl,
    directory,
    dataDir,
    write,
    metrics: async () => await (await fetch(`${metricsUrl}/metrics`)).text(),
    post: async (events) =>
      await fetch(`${url}/v1/events`, {
        method: "POST",
        headers: { authorization: `Bearer ${RELAY_TOKENS.ingest}` },
        body: JSON.stringify(events),
      }),
    get: async (path) =>
      await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${RELAY_TOKENS.read}` } }),
  };
}

function tokenFiles(): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(RELAY_TOKENS).map(([role, token]) => [`${role}-token`, `${token}\n`]),
  );
}
