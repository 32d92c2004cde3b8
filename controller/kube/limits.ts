/** Every bound of the traffic with the API server: sizes in bytes or characters, times in milliseconds. */

/**
 * Objects on one page of a list. client-go asks for 500; what a page needs is garbage soon after, and with so many it
 * outlives the young generation: with 100 the first sync takes 100 MiB less.
 */
export const PAGE_SIZE = 100;
/** Largest answer to anything but a watch: etcd takes objects of 1.5 MiB by default. */
export const ANSWER_MAX_BYTES = 256 * 1024 * 1024;
/** Largest line of a watch; etcd takes objects of 1.5 MiB by default. */
export const WATCH_LINE_MAX_BYTES = 16 * 1024 * 1024;
/** Longest message of the API server that is passed on. */
export const ERROR_MESSAGE_MAX_CHARS = 1_000;

/** Time to connect, TLS included. */
export const CONNECT_TIMEOUT_MS = 10_000;
/** Time for a call with all that is repeated of it, unless the caller says otherwise. */
export const CALL_TIMEOUT_MS = 15_000;
/** Time for one page of a list. */
export const PAGE_TIMEOUT_MS = 60_000;
/** Time until the first byte of the answer to a watch. */
export const WATCH_START_TIMEOUT_MS = 10_000;
/** How often a call is sent anew because the API server asked for it with Retry-After; client-go does it 10 times. */
export const RETRIES_MAX = 10;
/** How long headers and certificates are used before their sources are looked at again. */
export const CREDENTIALS_MAX_AGE_MS = 10_000;

/** A watch that says nothing for so long is given up; bookmarks come about once a minute. */
export const WATCH_IDLE_MS = 90_000;
/** How long the API server is asked to serve a watch: anything between, so that they do not all end together. */
export const WATCH_DURATION_MIN_S = 300;
export const WATCH_DURATION_MAX_S = 600;
/** Watches in a row that said nothing, after which the truth is listed anew. */
export const SILENT_WATCHES_MAX = 2;
/** A watch without any sign of life for so long is stale. */
export const WATCH_STALE_MS = 3 * WATCH_IDLE_MS;
/** A watch that ends sooner than this without having said anything counts as failed. */
export const WATCH_SHORTEST_MS = 1_000;

/** First and longest pause after a failed list or watch; the same as client-go's reflector. */
export const BACKOFF_BASE_MS = 800;
export const BACKOFF_MAX_MS = 30_000;
/** Longest Retry-After that is believed. */
export const RETRY_AFTER_MAX_MS = 5 * 60_000;

/** Leader election, as in kube-controller-manager: how long a lease is left alone without a sign of its holder. */
export const LEASE_DURATION_MS = 15_000;
/** A leader that could not renew for so long stops leading. */
export const RENEW_DEADLINE_MS = 10_000;
/** Pause between two tries to take or renew the lease. */
export const RETRY_PERIOD_MS = 2_000;
