/** A relay in a process of its own that ends itself, by SIGKILL, at the point that its parent names. */

import { randomUUID } from "node:crypto";
import { join } from "node:path";
import process from "node:process";

import { Registry } from "prom-client";

import { systemClock } from "../../lib/clock.ts";
import { silentLogger } from "../../lib/log.ts";
import { readTextFile } from "../../webhook-relay/files.ts";
import { startRelayServer } from "../../webhook-relay/http-server.ts";
import { Redactor } from "../../webhook-relay/redact.ts";
import { createRelay } from "../../webhook-relay/relay.ts";
import { sinkTypes, type SinkFactories } from "../../webhook-relay/sinks/make-sink.ts";
import { createSlackSinks } from "../../webhook-relay/sinks/slack/slack-sink.ts";
import { createWebhookSink } from "../../webhook-relay/sinks/webhook/webhook-sink.ts";
import { loadSubscriptions } from "../../webhook-relay/subscriptions/load.ts";
import { TokenSet } from "../../webhook-relay/tokens.ts";
import type { ChildMessage, ChildOptions, KillPoint, ParentMessage } from "./relay-child-protocol.ts";

const options = parseOptions(process.argv[2] ?? "");
/** how often each point may still be passed; the process ends when it is 0 */
let armed: { point: KillPoint; left: number } | undefined = options.arm;

function reach(point: KillPoint): void {
  if (armed?.point !== point) return;
  armed.left -= 1;
  if (armed.left <= 0) process.kill(process.pid, "SIGKILL");
}

const slackSink = createSlackSinks();
/** Passes the points between the answer of a receiver and its record. */
const sinks: SinkFactories = {
  webhook(sinkOptions) {
    const sink = createWebhookSink(sinkOptions);
    return {
      ...sink,
      async deliver(...args) {
        const outcome = await sink.deliver(...args);
        reach("after POST");
        return outcome;
      },
    };
  },
  slack(sinkOptions) {
    const { http } = sinkOptions;
    return slackSink({
      ...sinkOptions,
      http: {
        async post(...args) {
          const answer = await http.post(...args);
          reach("after Slack call");
          return answer;
        },
        close: () => http.close(),
      },
    });
  },
};

const relay = createRelay({
  dataDir: join(options.directory, "data"),
  retention: { eventsMs: options.retentionMs, deadMs: options.retentionMs, maxBytes: 2 ** 30 },
  sinks,
  network: { refusePrivate: false, alsoRefuse: [] },
  tokens: () =>
    new TokenSet([
      ["ingest", options.token],
      ["admin", options.token],
    ]),
  registry: new Registry(),
  clock: systemClock,
  random: Math.random,
  randomId: () => randomUUID(),
  logger: silentLogger,
  redactor: new Redactor(),
  hooks: {
    beforeCommit: () => reach("before commit"),
    afterCommit: () => reach("after commit"),
    midway: (work) => reach(work === "replay" ? "mid-replay" : "mid-retention"),
  },
});
const { value } = await loadSubscriptions(
  { file: join(options.directory, "relay.yaml"), types: sinkTypes(sinks) },
  readTextFile,
  AbortSignal.timeout(10_000),
);
await relay.apply(value);
const ended = new AbortController();
const background = relay.run(ended.signal);
const server = await startRelayServer({
  listen: { host: "127.0.0.1", port: 0 },
  app: relay.app,
  tls: undefined,
});

function send(message: ChildMessage): void {
  process.send?.(message);
}

process.on("message", (message: ParentMessage) => {
  if (message.kind === "arm") armed = message.arm;
  if (message.kind === "status") {
    const open = relay.control.subscriptions().map(({ pending, delivering }) => pending + delivering);
    const replays = relay.store.runningReplays().length;
    send({ kind: "status", open: open.reduce((sum, count) => sum + count, 0), replays });
  }
  if (message.kind === "stop") void stop();
});
process.on("disconnect", () => process.exit(0));
send({ kind: "ready", port: server.port });

async function stop(): Promise<void> {
  ended.abort();
  await background;
  await server.close(500);
  await relay.stop(2000);
  process.exit(0);
}

function parseOptions(json: string): ChildOptions {
  const parsed: ChildOptions = JSON.parse(json);
  return parsed;
}
