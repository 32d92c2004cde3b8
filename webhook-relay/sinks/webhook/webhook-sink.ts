import { matchesType } from "../../subscriptions/match.ts";
import { FOLD_MAX, USER_AGENT, WEBHOOK_CONCURRENCY } from "../../limits.ts";
import { HttpFailure } from "../../net/http.ts";
import { parseSigningKey, signMessage } from "../../sign.ts";
import { stormKey } from "../storm-key.ts";
import type { WebhookSubscription } from "../../subscriptions/subscription.ts";
import type { Attempt, Batch, Outcome, Sink, SinkOptions } from "../sink.ts";
import { formatBody } from "./body.ts";
import { classifyAnswer, classifyFailure } from "./classify.ts";

/** Makes the sink of a webhook: signed POSTs after Standard Webhooks 1.0.0. */
export function createWebhookSink(options: SinkOptions<WebhookSubscription>): Sink {
  const { resolved, http, clock, redactor } = options;
  const { subscription, secrets } = resolved;
  const { group, format } = subscription;
  const keys = secrets.signingKeys.map((key) => parseSigningKey(key, subscription.name));
  const ownHeaders = Object.fromEntries(secrets.headers);

  async function deliver(batch: Batch, attempt: Attempt, signal: AbortSignal): Promise<Outcome> {
    const { contentType, body } = formatBody(batch, format);
    const timestamp = Math.floor(clock.now() / 1000);
    const id = batch.messageId;
    const signature = signMessage({ id, timestamp, body }, keys);
    try {
      const answer = await http.post(
        {
          url: secrets.url,
          headers: {
            ...ownHeaders,
            "content-type": contentType,
            "user-agent": USER_AGENT,
            "webhook-id": id,
            "webhook-timestamp": String(timestamp),
            ...(signature !== "" && { "webhook-signature": signature }),
            ...(attempt.isReplay && { "tote-replay": "true" }),
          },
          body,
        },
        signal,
      );
      // what a receiver sends back may hold what it was sent
      return classifyAnswer({ ...answer, body: redactor.redact(answer.body) }, attempt, clock.now());
    } catch (error) {
      if (error instanceof HttpFailure) return classifyFailure(error);
      throw error;
    }
  }

  return {
    concurrency: WEBHOOK_CONCURRENCY,
    timeoutMs: subscription.timeoutMs,
    folding: {
      max: group === undefined ? 1 : FOLD_MAX,
      load: group?.samples ?? 1,
      grows: false,
      overflowAfter: undefined,
    },
    groupOf(event) {
      if (group === undefined || !group.events.some((glob) => matchesType(glob, event.type)))
        return undefined;
      return { key: stormKey(event), intervalMs: group.intervalMs };
    },
    deliver,
    close: () => http.close(),
  };
}
