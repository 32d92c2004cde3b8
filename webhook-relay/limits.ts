/** Every bound of the relay: sizes in bytes or characters, times in milliseconds. */

/** Largest body of a request. */
export const BODY_MAX_BYTES = 256 * 1024;
/** Events in one request. */
export const BATCH_MAX_EVENTS = 100;
/** How much of a receiver's answer is read, and how much of that is kept. */
export const RESPONSE_MAX_BYTES = 64 * 1024;
export const EXCERPT_MAX_CHARS = 4096;
/** Longest message of an error that is kept. */
export const ERROR_MAX_CHARS = 1024;

/** One attempt, from look-up to the last byte of the answer, unless the subscription says otherwise. */
export const ATTEMPT_TIMEOUT_MS = 15_000;
export const ATTEMPT_TIMEOUT_MAX_MS = 5 * 60_000;
/** Pauses before each attempt: about a day in all. */
export const RETRY_SCHEDULE_MS: readonly number[] = [
  0, 5_000, 30_000, 120_000, 600_000, 1_800_000, 3_600_000, 10_800_000, 21_600_000, 43_200_000,
];
/** Longest schedule that a subscription may have. */
export const RETRY_MAX_ATTEMPTS = 50;
/** Share of a pause by which it is shorter or longer. */
export const RETRY_JITTER = 0.2;
/** A delivery older than this is given up, unless the subscription says otherwise. */
export const DELIVERY_MAX_AGE_MS = 30 * 3_600_000;
/** Attempts at a delivery that the receiver refuses (4xx). */
export const REJECTED_MAX_ATTEMPTS = 3;
/** Longest pause that a receiver may ask for. */
export const RETRY_AFTER_MAX_MS = 24 * 3_600_000;
/** Deliveries to one webhook at the same time. */
export const WEBHOOK_CONCURRENCY = 4;
/** Connections to one receiver. */
export const HTTP_CONNECTIONS = 8;
/** How long an attempt that was told to end may still take before it is left to itself. */
export const ATTEMPT_MARGIN_MS = 2_000;
/** Deliveries that one message may stand for. */
export const FOLD_MAX = 10_000;
/** Events that a folded message shows, unless the subscription says otherwise. */
export const GROUP_SAMPLES = 10;
export const GROUP_SAMPLES_MAX = 100;
/** Longest time that events wait to be folded. */
export const GROUP_INTERVAL_MAX_MS = 24 * 3_600_000;

/** Failures in a row after which an endpoint is left alone for a while. */
export const BREAKER_FAILURES = 10;
/** First pause of an open breaker; doubles up to the longest. */
export const BREAKER_PAUSE_MS = 5_000;
export const BREAKER_PAUSE_MAX_MS = 5 * 60_000;
/** Nothing but failures for so long switches a subscription off; it is still tried, once an hour. */
export const AUTO_DISABLE_AFTER_MS = 24 * 3_600_000;
export const AUTO_DISABLE_PROBE_MS = 3_600_000;
/** Pause of a subscription whose receiver says "too many" and not until when; doubles up to the longest. */
export const THROTTLE_PAUSE_MS = 5_000;
export const THROTTLE_PAUSE_MAX_MS = 60_000;

/** A lane looks at the store at least so often, whatever it has been told. */
export const LANE_IDLE_MS = 30_000;
/** Attempts of one lane that are under way or wait to be written down. */
export const LANE_UNWRITTEN_MAX = 256;
/** Deliveries that a busy lane takes from the store ahead of time, for each that it may have under way. */
export const LANE_AHEAD = 8;
/** How often a subscription's last success is written down when nothing else is new. */
export const HEALTH_WRITE_INTERVAL_MS = 10_000;
/** Pause after the store failed. */
export const STORE_RETRY_MS = 1_000;

/** At the end, how long what was told to end may take to do so and to be written down. */
export const UNWRITTEN_GRACE_MS = 3_000;

/** How often the store is cleaned up. */
export const HOUSEKEEPING_INTERVAL_MS = 60_000;
/** How often a store that could not be written is tried again, whether events come or not. */
export const STORE_PROBE_MS = 5_000;
/** After so many events the size of the store is looked at, so that a storm does not outgrow it until the next clean-up. */
export const SIZE_LOOK_EVENTS = 100;
/** Events or deliveries that one transaction of the clean-up touches. */
export const RETENTION_STEP = 500;
/** When the store is too large it is brought down to this share of what it may be. */
export const SIZE_RELIEF = 0.9;
/** How long the ids of deleted events are known, so that a late repeat is not taken for new. */
export const TOMBSTONE_MS = 30 * 24 * 3_600_000;
/** A wall clock that moves by so much against the monotonic one was set. */
export const CLOCK_JUMP_MS = 10_000;

/** Deliveries that a replay asks for in one transaction. */
export const REPLAY_STEP_MAX = 500;
/** Deliveries a second of a replay, by default and at most. */
export const REPLAY_RATE_DEFAULT = 10;
export const REPLAY_RATE_MAX = 500;
/** How often a replayer without work looks for some, whatever it has been told. */
export const REPLAY_IDLE_MS = 60_000;

/** Events that may wait for the disk at the same time; more are refused for a moment. */
export const ACCEPT_QUEUE_MAX = 10_000;
/** What a client is told to wait when the store takes nothing. */
export const REFUSED_RETRY_AFTER_S = 10;

/** What the relay calls itself towards receivers. */
export const USER_AGENT = "tote-webhook-relay";

/** Block Kit (https://docs.slack.dev/reference/block-kit/blocks) and chat.postMessage; no message of ours comes near. */
export const SLACK_HEADER_MAX_CHARS = 150;
export const SLACK_SECTION_MAX_CHARS = 3000;
export const SLACK_FIELDS_MAX = 10;
export const SLACK_FIELD_MAX_CHARS = 2000;
export const SLACK_CONTEXT_MAX_CHARS = 2000;
/** Longest text of a message without blocks; Slack cuts at 40,000. */
export const SLACK_TEXT_MAX_CHARS = 3000;
/** What is remembered of an incident to render its message again. */
export const SLACK_CARD_TEXT_MAX_CHARS = 300;
export const SLACK_CARD_STEPS = 12;
export const SLACK_COUNTS_MAX = 20;
/** Events that a reply names. */
export const SLACK_THREAD_LINES = 5;
/** Events that a message of many incidents names; even. */
export const SLACK_STORM_SAMPLES = 10;
/** Between two messages into one channel: Slack takes one a second. */
export const SLACK_INTERVAL_MS = 1000;
/** Between two updates with one token, in intervals: Slack takes 50 a minute and a few more. */
export const SLACK_UPDATE_FACTOR = 1.25;
/** Longest wait for a turn during an attempt, in milliseconds and, where that is longer, in intervals; past it the delivery goes back. */
export const SLACK_PACE_WAIT_MS = 5_000;
export const SLACK_PACE_WAIT_INTERVALS = 2;
/** Calls that one attempt can take: look, post or update, again as plain text, post anew, reply, again as plain text. */
export const SLACK_CALLS_MAX = 6;
/** Pause when Slack says "too many" and not until when. */
export const SLACK_THROTTLE_PAUSE_MS = 30_000;
/** Messages of new incidents a minute (of 60 intervals); more share one message. */
export const SLACK_NEW_MESSAGES = 10;
export const SLACK_NEW_MESSAGES_WINDOW = 60;
/** A storm is over when nothing was added for so many intervals; its message is left for a new one after so many. */
export const SLACK_STORM_QUIET = 300;
export const SLACK_STORM_LENGTH = 3600;
/** Pause after the message of a storm was changed, and after one that cannot be changed, in intervals. */
export const SLACK_STORM_UPDATE = 5;
export const SLACK_STORM_DIGEST = 30;
/** Events of an incident that are read at once. */
export const SLACK_LOAD = 50;
/** How long what lasts waits for company, unless the subscription says otherwise, in milliseconds. */
export const SLACK_BOT_GROUP_MS = 5_000;
export const SLACK_WEBHOOK_GROUP_MS = 30_000;

/** How long somebody stays logged in on the page, in milliseconds; sessions that are kept at most. */
export const SESSION_MS = 12 * 3_600_000;
export const SESSIONS_MAX = 1_000;
/** Wrong tokens that an address may try at once, and how long each further one takes, in milliseconds. */
export const LOGIN_TRIES = 5;
export const LOGIN_TRY_MS = 12_000;
/** Addresses whose tries are counted. */
export const LOGIN_PEERS_MAX = 1_000;
/** Largest form of the page, in bytes. */
export const FORM_MAX_BYTES = 16 * 1024;
