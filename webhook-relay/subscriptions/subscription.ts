/** A subscription: who gets which events, and how. */

/** What can receive events. */
export const SUBSCRIPTION_TYPES = ["webhook", "slack"] as const;
export type SubscriptionType = (typeof SUBSCRIPTION_TYPES)[number];

/** How the body of a webhook looks. */
export const FORMATS = ["standard", "cloudevents", "tote-v0"] as const;
export type Format = (typeof FORMATS)[number];

/** Which events a subscription wants; a list matches when one of its globs does, an empty list matches everything. */
export interface EventFilter {
  /** globs over the type: `*` stands for anything, dots included; "detected" is short for "tote.image.detected" */
  readonly events: readonly string[];
  /** globs over `data.namespace` */
  readonly namespaces: readonly string[];
  /** least severe that matches; undefined matches all */
  readonly minSeverity: string | undefined;
  /** exactly these severities; empty matches all */
  readonly severities: readonly string[];
}

/** When to try again. */
export interface RetryPolicy {
  /** pause before each attempt in milliseconds, the first of them before the first attempt */
  readonly scheduleMs: readonly number[];
  /** a delivery older than this is given up, whatever else holds, in milliseconds */
  readonly maxAgeMs: number;
}

/** A token bucket. */
export interface RateLimit {
  readonly perSecond: number;
  /** how many may go at once after a pause */
  readonly burst: number;
}

/** Storm control: what of a kind follows within the interval is folded into one message. */
export interface GroupPolicy {
  /** milliseconds; 0 folds nothing by time */
  readonly intervalMs: number;
  /** globs over the types that are folded; what does not match is sent as it comes */
  readonly events: readonly string[];
  /** events that a folded message shows in full */
  readonly samples: number;
}

/** Files of a subscription's TLS. */
export interface SubscriptionTls {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

/** What every subscription has. Holds names of files, never what is in them. */
export interface SubscriptionBase {
  readonly name: string;
  readonly filter: EventFilter;
  /** for one attempt: look-up, connecting, TLS, sending, and reading the answer, in milliseconds */
  readonly timeoutMs: number;
  readonly retry: RetryPolicy;
  /** undefined: no limit but the sink's own */
  readonly rateLimit: RateLimit | undefined;
  /** undefined: what the sink does by itself */
  readonly group: GroupPolicy | undefined;
  readonly headersFile: string | undefined;
  readonly tls: SubscriptionTls;
  /** http:// or https://, without credentials */
  readonly proxy: string | undefined;
  readonly proxyFile: string | undefined;
  /** CIDRs that may be dialled although they are refused by default */
  readonly allowAddresses: readonly string[];
}

/** Types of events that are folded by default: states that last. What changes a state is always sent as it comes. */
export const FOLDED_BY_DEFAULT: readonly string[] = [
  "detected",
  "salvageable",
  "not_actionable",
  "ambiguous",
  "corrupt",
];

/** A webhook. Exactly one of `url` and `urlFile` is set. */
export interface WebhookSubscription extends SubscriptionBase {
  readonly type: "webhook";
  readonly format: Format;
  readonly url: string | undefined;
  readonly urlFile: string | undefined;
  /** signing keys; the body is signed with each */
  readonly secretFiles: readonly string[];
}

/** Slack: with `channel` and `tokenFile` a bot, else an incoming webhook behind `urlFile`. */
export interface SlackSubscription extends SubscriptionBase {
  readonly type: "slack";
  /** id or name; undefined for an incoming webhook, whose address names the channel */
  readonly channel: string | undefined;
  readonly tokenFile: string | undefined;
  /** of an incoming webhook */
  readonly url: string | undefined;
  readonly urlFile: string | undefined;
  /** base of the Web API of a bot; undefined: Slack's */
  readonly apiUrl: string | undefined;
}

export type Subscription = WebhookSubscription | SlackSubscription;

/** What the files of a subscription hold now. Never logged, never stored, never answered. */
export interface SubscriptionSecrets {
  /** where to send, from `url` or `urlFile`; "" when there is none */
  readonly url: string;
  /** one signing key each, as `secretFiles` hold them: "whsec_..." or "whsk_..." */
  readonly signingKeys: readonly string[];
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Slack's bot token, "" when there is none */
  readonly token: string;
  readonly proxyUrl: string;
  /** PEM, "" when there is none */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** A subscription with the contents of its files. */
export interface ResolvedSubscription<S extends Subscription = Subscription> {
  readonly subscription: S;
  readonly secrets: SubscriptionSecrets;
}
