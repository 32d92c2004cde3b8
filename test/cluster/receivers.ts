import { randomBytes } from "node:crypto";

import { Webhook } from "standardwebhooks";

import { asObject, asText } from "../../controller/objects/json.ts";
import { startReceiver } from "../../webhook-relay/testing/receiver.ts";
import { SLACK_TOKEN, startSlackDouble, type SlackDouble } from "../../webhook-relay/testing/slack-double.ts";
import type { Cleanup } from "../harness/cleanup.ts";
import { ADDRESSES } from "./layout.ts";

/** An event whose signature was good. */
export interface VerifiedEvent {
  readonly id: string;
  readonly type: string;
  /** of what the event is about */
  readonly namespace: string;
}

/** A webhook consumer that verifies, and a Slack, where pods of the cluster reach them; and how the chart is told. */
export interface Receivers {
  readonly slack: SlackDouble;
  /** what came with a good signature, in order */
  readonly verified: readonly VerifiedEvent[];
  /** what came with another one */
  readonly forged: () => number;
  /** value `relay.subscriptions` of the chart */
  readonly subscriptions: readonly object[];
  /** value `relay.secrets` of the chart */
  readonly secrets: Readonly<Record<string, string>>;
}

/** Starts both on the machine; they end with the cleanup. */
export async function startReceivers(cleanup: Cleanup): Promise<Receivers> {
  const key = `whsec_${randomBytes(32).toString("base64")}`;
  const webhook = new Webhook(key);
  const verified: VerifiedEvent[] = [];
  let forged = 0;
  const receiver = await startReceiver(undefined, { host: ADDRESSES.host });
  cleanup.add({ name: "close the webhook consumer", undo: () => receiver.close() });
  receiver.behave(({ headers, body }, response) => {
    try {
      const event = asObject(webhook.verify(body, headers));
      const namespace = asText(asObject(event["data"])["namespace"]);
      verified.push({ id: asText(event["id"]), type: asText(event["type"]), namespace });
      response.writeHead(204).end();
    } catch {
      forged += 1;
      response.writeHead(401).end();
    }
  });
  const slack = await startSlackDouble(undefined, { host: ADDRESSES.host });
  cleanup.add({ name: "close the Slack double", undo: () => slack.close() });
  return {
    slack,
    verified,
    forged: () => forged,
    subscriptions: [
      { name: "on-call", type: "webhook", url: `${receiver.url}/hooks/tote`, secretFiles: ["on-call-key"] },
      {
        name: "slack",
        type: "slack",
        tokenFile: "slack-token",
        channel: "C0TESTOPS",
        apiUrl: slack.apiUrl,
      },
    ],
    secrets: { "on-call-key": `${key}\n`, "slack-token": `${SLACK_TOKEN}\n` },
  };
}
