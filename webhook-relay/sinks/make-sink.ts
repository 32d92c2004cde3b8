import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import type { MakeSink } from "../deliver/sink-holder.ts";
import { HTTP_CONNECTIONS } from "../limits.ts";
import { createAddressPolicy } from "../net/addresses.ts";
import { lookupAll, type Lookup } from "../net/connect.ts";
import type { RelayMetrics } from "../metrics.ts";
import { createHttpClient } from "../net/http-client.ts";
import type { HttpClient } from "../net/http.ts";
import { shareLookups } from "../net/shared-lookup.ts";
import type { Redactor } from "../redact.ts";
import type { RelayStore } from "../store/store.ts";
import type {
  ResolvedSubscription,
  SlackSubscription,
  Subscription,
  SubscriptionType,
  WebhookSubscription,
} from "../subscriptions/subscription.ts";
import type { SinkFactory, SinkOptions } from "./sink.ts";

/** What this relay can deliver to. */
export interface SinkFactories {
  readonly webhook: SinkFactory<WebhookSubscription>;
  readonly slack?: SinkFactory<SlackSubscription>;
}

/** What all sinks share. */
export interface MakeSinkOptions {
  readonly factories: SinkFactories;
  readonly store: Pick<RelayStore, "sinkState">;
  readonly clock: Clock;
  /** 0 included to 1 excluded */
  readonly random: () => number;
  readonly logger: Logger;
  readonly redactor: Redactor;
  readonly metrics: Pick<RelayMetrics, "slackCall">;
  readonly network: NetworkOptions;
}

/** What may be dialled, beyond what a subscription allows. */
export interface NetworkOptions {
  /** do not dial private networks either */
  readonly refusePrivate: boolean;
  /** addresses that are refused as well */
  readonly alsoRefuse: readonly string[];
  /** default: the system's */
  readonly lookup?: Lookup;
}

/** The types of subscriptions that there is a factory for. */
export function sinkTypes(factories: SinkFactories): readonly SubscriptionType[] {
  return factories.slack === undefined ? ["webhook"] : ["webhook", "slack"];
}

/** Makes what makes a sink of the right kind for each subscription, with a client of its own. Look-ups are shared. */
export function createMakeSink(given: MakeSinkOptions): MakeSink {
  const { factories, network } = given;
  const lookup = shareLookups(network.lookup ?? lookupAll);
  const options = { ...given, network: { ...network, lookup } };
  return ({ subscription, secrets }) => {
    switch (subscription.type) {
      case "webhook":
        return factories.webhook(sinkOptions({ subscription, secrets }, options));
      case "slack":
        if (factories.slack === undefined) throw new Error("there is no sink for Slack");
        return factories.slack(sinkOptions({ subscription, secrets }, options));
    }
  };
}

function sinkOptions<S extends Subscription>(
  resolved: ResolvedSubscription<S>,
  options: MakeSinkOptions,
): SinkOptions<S> {
  const { store, clock, random, logger, redactor, metrics } = options;
  const { name } = resolved.subscription;
  return {
    resolved,
    http: httpClientOf(resolved, options.network),
    clock,
    random,
    logger: logger.child("sink", { subscription: name }),
    redactor,
    metrics,
    state: store.sinkState(name),
  };
}

function httpClientOf({ subscription, secrets }: ResolvedSubscription, network: NetworkOptions): HttpClient {
  const { ca, cert, key, proxyUrl } = secrets;
  const { refusePrivate, alsoRefuse, lookup } = network;
  return createHttpClient({
    policy: createAddressPolicy({ allow: subscription.allowAddresses, refusePrivate, alsoRefuse }),
    tls: { ca, cert, key },
    timeoutMs: subscription.timeoutMs,
    ...(lookup !== undefined && { lookup }),
    proxyUrl,
    connections: HTTP_CONNECTIONS,
  });
}
