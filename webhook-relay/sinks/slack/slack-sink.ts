import {
  FOLD_MAX,
  SLACK_BOT_GROUP_MS,
  SLACK_CALLS_MAX,
  SLACK_INTERVAL_MS,
  SLACK_LOAD,
  SLACK_STORM_DIGEST,
  SLACK_STORM_UPDATE,
  SLACK_WEBHOOK_GROUP_MS,
} from "../../limits.ts";
import { matchesType } from "../../subscriptions/match.ts";
import { FOLDED_BY_DEFAULT, type SlackSubscription } from "../../subscriptions/subscription.ts";
import type { Sink, SinkFactory, SinkOptions } from "../sink.ts";
import { BotApi, SLACK_API } from "./bot-api.ts";
import { deliverAsBot, standsAlone } from "./bot-delivery.ts";
import { deliverToHook } from "./hook-delivery.ts";
import { longestWaitMs, Pacers } from "./pacer.ts";
import { SlackApi } from "./slack-api.ts";
import { readStorm, rootKey, stormKey } from "./state.ts";
import { StormGate } from "./storm-gate.ts";

/**
 * Makes the sinks of Slack. Those of one factory share the pace of a channel, however many subscriptions send there and
 * however often they are made anew.
 */
export function createSlackSinks(): SinkFactory<SlackSubscription> {
  let pacers: Pacers | undefined;
  return (options) => {
    pacers ??= new Pacers(options.clock);
    return createSlackSink(options, pacers);
  };
}

function createSlackSink(options: SinkOptions<SlackSubscription>, pacers: Pacers): Sink {
  const { http, clock, state, redactor, metrics, resolved } = options;
  const { subscription, secrets } = resolved;
  const { name, timeoutMs, rateLimit, channel, apiUrl, group } = subscription;
  const baseUrl = (apiUrl ?? SLACK_API).replace(/\/+$/, "");
  const intervalMs = rateLimit === undefined ? SLACK_INTERVAL_MS : 1000 / rateLimit.perSecond;
  const isBot = channel !== undefined;
  // an incoming webhook is its channel
  const place = channel ?? "webhook";
  const account = isBot ? `${baseUrl}\n${secrets.token}` : secrets.url;
  const api = new SlackApi({
    http,
    clock,
    redactor,
    metrics,
    subscription: name,
    headers: secrets.headers,
    timeoutMs,
    intervalMs,
    channelPacer: pacers.of(`channel\n${account}\n${place}`, intervalMs),
    updatePacer: pacers.of(`update\n${account}`, 0),
  });
  const gate = new StormGate({
    clock,
    intervalMs,
    pause: isBot ? SLACK_STORM_UPDATE : SLACK_STORM_DIGEST,
    earlier: readStorm(state.get(stormKey(place))),
  });
  const { intervalMs: groupMs, events: folded } = group ?? {
    intervalMs: isBot ? SLACK_BOT_GROUP_MS : SLACK_WEBHOOK_GROUP_MS,
    events: FOLDED_BY_DEFAULT,
  };

  return {
    // what comes while one is sent goes with the next
    concurrency: 1,
    timeoutMs: (timeoutMs + longestWaitMs(intervalMs)) * SLACK_CALLS_MAX,
    get folding() {
      return { max: FOLD_MAX, load: SLACK_LOAD, grows: true, overflowAfter: gate.overflowAfter };
    },
    waitMs: () => Math.max(api.waitMs(), gate.waitMs()),
    groupOf(event) {
      if (standsAlone(event)) return undefined;
      const lasts = folded.some((glob) => matchesType(glob, event.type));
      return { key: rootKey(place, event), intervalMs: lasts ? groupMs : 0 };
    },
    async deliver(batch, attempt, signal) {
      if (channel === undefined) {
        return await deliverToHook({ api, gate, url: secrets.url, attempt, signal, now: clock.now() }, batch);
      }
      const bot = new BotApi({ api, baseUrl, token: secrets.token }, attempt, signal);
      const now = (): number => clock.now();
      return await deliverAsBot({ api: bot, gate, state, channel, now, attempt }, batch);
    },
    close: () => http.close(),
  };
}
