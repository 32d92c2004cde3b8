import type { SinkFactories } from "./make-sink.ts";
import { createSlackSinks } from "./slack/slack-sink.ts";
import { createWebhookSink } from "./webhook/webhook-sink.ts";

/** What a relay can deliver to. */
export function createSinkFactories(): SinkFactories {
  return { webhook: createWebhookSink, slack: createSlackSinks() };
}
