import { createHash } from "node:crypto";
import process from "node:process";

import type { EventData, RelayEvent } from "../../webhook-relay/event/event.ts";
import { SLACK_TOKEN, startSlackDouble, type SlackDouble } from "../../webhook-relay/testing/slack-double.ts";
import type { Cleanup } from "../harness/cleanup.ts";
import { waitFor } from "../harness/wait.ts";
import { RELAY_TOKENS, startRelayProcess, type RelayProcess } from "../relay/relay-process.ts";
import { Consumer, type VerifiedMessage } from "./consumer.ts";
import { SlackScreen } from "./slack-screen.ts";

/** Longest wait for anything in the demo, in milliseconds. */
const PATIENCE_MS = 60_000;
const KEY = `whsec_${Buffer.from("the key of the demo's consumer").toString("base64")}`;

/** A dead letter as the relay's API lists it. */
export interface DeadLetter {
  readonly id: number;
  readonly subscription: string;
  readonly attemptCount: number;
  readonly message: string;
  readonly event: { readonly id: string; readonly type: string };
}

/** The parts of the relay's demo: a relay as a process, a consumer, a Slack. */
export interface RelayDemoRig {
  readonly relay: RelayProcess;
  readonly consumer: Consumer;
  readonly slack: SlackDouble;
  /** Posts as the controller does. Throws unless the relay answers 202. */
  readonly send: (events: readonly RelayEvent[]) => Promise<void>;
  /** An answer of the relay's management API; throws unless it is one of success. */
  readonly api: <T>(path: string, body?: object) => Promise<T>;
  /** Waits; meanwhile the channel is printed as it changes. */
  readonly until: (what: string, check: () => boolean | Promise<boolean>) => Promise<void>;
}

/** Starts everything; it ends with `cleanup`. */
export async function startRelayDemoRig(
  cleanup: Cleanup,
  onMessage: (message: VerifiedMessage) => "taken" | "refused",
  print: (text: string) => void,
): Promise<RelayDemoRig> {
  const consumer = new Consumer(KEY, onMessage);
  await consumer.up();
  cleanup.add({ name: "stop the consumer", undo: () => consumer.down() });
  const slack = await startSlackDouble(undefined);
  cleanup.add({ name: "stop the Slack double", undo: () => slack.close() });
  const relay = await startRelayProcess({
    cleanup,
    config: `subscriptions:
  - {name: consumer, type: webhook, url: "${consumer.url}", secretFiles: key, allowAddresses: 127.0.0.1, retry: {schedule: [0s, 500ms, 500ms, 1h]}}
  - {name: slack, type: slack, tokenFile: slack-token, channel: C0TESTOPS, apiUrl: "${slack.apiUrl}", allowAddresses: 127.0.0.1, group: {interval: 500ms}, severity: [info, warning]}`,
    files: { key: `${KEY}\n`, "slack-token": `${SLACK_TOKEN}\n` },
  });
  const screen = new SlackScreen(slack, print);
  return {
    relay,
    consumer,
    slack,
    async send(events) {
      const answer = await relay.post(events.length === 1 ? events[0] : events);
      if (answer.status !== 202)
        throw new Error(`the relay answers ${answer.status}: ${await answer.text()}`);
    },
    async api<T>(path: string, body?: object) {
      const answer = await fetch(`${relay.url}${path}`, {
        headers: { authorization: `Bearer ${RELAY_TOKENS.admin}` },
        ...(body !== undefined && { method: "POST", body: JSON.stringify(body) }),
      });
      if (!answer.ok) throw new Error(`${path}: the relay answers ${answer.status}: ${await answer.text()}`);
      const json: T = await answer.json();
      return json;
    },
    async until(what, check) {
      const look = (): boolean | Promise<boolean> => {
        screen.look();
        return check();
      };
      await waitFor(what, look, { timeoutMs: PATIENCE_MS, intervalMs: 20 });
    },
  };
}

/** Events of one Deployment, as the controller would send them. */
export class Story {
  readonly #workload: string;
  readonly #incident: string;
  #sent = 0;

  constructor(workload: string) {
    this.#workload = workload;
    this.#incident = hash(`${process.pid} ${workload}`).slice(0, 32);
  }

  /** @param number of the pod */
  event(type: string, data: Partial<EventData> = {}, number = 1): RelayEvent {
    this.#sent += 1;
    const pod = `${this.#workload}-7f9c4d-${String(number).padStart(3, "0")}`;
    return {
      id: hash(`${this.#incident} ${this.#sent}`),
      type: `tote.image.${type}`,
      source: "prod-eu",
      time: new Date().toISOString(),
      subject: `shop/${pod}`,
      data: {
        incident: this.#incident,
        record: `${this.#workload}-4f0f9c4b7f0a`,
        owner: { kind: "Deployment", name: this.#workload },
        pod,
        namespace: "shop",
        container: "app",
        image: `registry.example.com/shop/${this.#workload}:1.25`,
        digest: `sha256:${hash(this.#workload)}`,
        cause: "unreachable",
        reason: "ImagePullBackOff",
        severity: "warning",
        sourceNodes: ["node-a"],
        targetNode: "node-c",
        bytes: 0,
        durationMs: 0,
        attempt: 1,
        message: "",
        ...data,
      },
    };
  }
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
