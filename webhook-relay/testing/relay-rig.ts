import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

import { Registry } from "prom-client";

import { systemClock, type Clock } from "../../lib/clock.ts";
import { createLogger } from "../../lib/log.ts";
import type { RelayEvent } from "../event/event.ts";
import { readTextFile } from "../files.ts";
import { Redactor } from "../redact.ts";
import { createRelay, type Relay, type RelayOptions } from "../relay.ts";
import { createSinkFactories } from "../sinks/all-sinks.ts";
import { sinkTypes, type SinkFactories } from "../sinks/make-sink.ts";
import { loadSubscriptions } from "../subscriptions/load.ts";
import { secretsOf } from "../subscriptions/secrets.ts";
import { TokenSet } from "../tokens.ts";

/** Tokens of a test's relay. */
export const TEST_TOKENS = {
  ingest: "test-ingest-token",
  read: "test-read-token",
  admin: "test-admin-token",
} as const;

/** A signing key of a test. */
export const TEST_KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/** What a test's relay is started with. */
export interface RigOptions {
  /** the YAML of the file of subscriptions; `key` is a file with {@link TEST_KEY} */
  readonly config: string;
  /** more files beside it, by name */
  readonly files?: Readonly<Record<string, string>>;
  /** default: a new one */
  readonly directory?: string;
  readonly clock?: Clock;
  readonly sinks?: SinkFactories;
  readonly retention?: RelayOptions["retention"];
  readonly network?: RelayOptions["network"];
  readonly hooks?: RelayOptions["hooks"];
  readonly peerOf?: RelayOptions["peerOf"];
}

/** A relay of a test, in this process, without a server. */
export interface Rig {
  readonly relay: Relay;
  readonly directory: string;
  readonly registry: Registry;
  readonly redactor: Redactor;
  /** everything that was logged */
  readonly log: readonly string[];
  /** Posts an event or several; answers the response. */
  post(events: RelayEvent | readonly RelayEvent[]): Promise<Response>;
  /** Gets a path as whoever may read. */
  get(path: string): Promise<Response>;
  /** Changes files and takes them over. */
  reload(config: string, files?: Readonly<Record<string, string>>): Promise<void>;
  stop(graceMs?: number): Promise<void>;
}

/** Starts a relay in this process; it ends with the test. */
export async function startRig(t: Pick<TestContext, "after">, options: RigOptions): Promise<Rig> {
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), "relay-rig-"));
  const log: string[] = [];
  const redactor = new Redactor();
  const registry = new Registry();
  const sinks = options.sinks ?? createSinkFactories();
  const tokens = new TokenSet(Object.entries(TEST_TOKENS).map(([role, token]) => [roleOf(role), token]));
  const relay = createRelay({
    dataDir: join(directory, "data"),
    retention: options.retention ?? { eventsMs: 3_600_000, deadMs: 3_600_000, maxBytes: 2 ** 30 },
    sinks,
    network: options.network ?? { refusePrivate: false, alsoRefuse: [] },
    tokens: () => tokens,
    registry,
    clock: options.clock ?? systemClock,
    random: Math.random,
    randomId: () => randomUUID(),
    logger: createLogger({
      name: "relay",
      level: "debug",
      format: "json",
      now: () => Date.now(),
      write: (line) => void log.push(redactor.redact(line)),
    }),
    redactor,
    ...(options.hooks !== undefined && { hooks: options.hooks }),
    ...(options.peerOf !== undefined && { peerOf: options.peerOf }),
  });

  async function load(config: string, files: Readonly<Record<string, string>> = {}): Promise<void> {
    for (const [name, text] of Object.entries({ key: TEST_KEY, ...files })) {
      writeFileSync(join(directory, name), text);
    }
    const file = join(directory, "relay.yaml");
    writeFileSync(file, config);
    const { value } = await loadSubscriptions(
      { file, types: sinkTypes(sinks) },
      readTextFile,
      AbortSignal.timeout(10_000),
    );
    redactor.learn(value.flatMap(secretsOf));
    await relay.apply(value);
  }

  const ended = new AbortController();
  await load(options.config, options.files);
  const background = relay.run(ended.signal);
  let stopping: Promise<void> | undefined;
  async function stop(graceMs = 5000): Promise<void> {
    ended.abort();
    await background;
    await relay.stop(graceMs);
  }
  const stopOnce = (graceMs?: number): Promise<void> => (stopping ??= stop(graceMs));
  t.after(async () => {
    await stopOnce(100);
    if (options.directory === undefined) rmSync(directory, { recursive: true, force: true });
  });
  return {
    relay,
    directory,
    registry,
    redactor,
    log,
    post: async (events) =>
      await relay.app.request("/v1/events", {
        method: "POST",
        headers: { authorization: `Bearer ${TEST_TOKENS.ingest}` },
        body: JSON.stringify(events),
      }),
    get: async (path) =>
      await relay.app.request(path, { headers: { authorization: `Bearer ${TEST_TOKENS.read}` } }),
    reload: load,
    stop: stopOnce,
  };
}

function roleOf(name: string): "ingest" | "read" | "admin" {
  return name === "admin" || name === "read" ? name : "ingest";
}
