/** Numbers of the validating webhook. */

/** Largest request, in bytes: an object and the one before it, of at most 1.5 MiB each in etcd, and some more as JSON. */
export const REQUEST_MAX_BYTES = 6 << 20;

/** Time for a whole request, in milliseconds; the API server waits for 2 s. */
export const REQUEST_TIMEOUT_MS = 5_000;
/** How often that is looked at, in milliseconds; by itself Node does every 30 s. */
export const REQUEST_CHECK_MS = 1_000;

/** Most connections at once: API servers keep a few. */
export const MAX_CONNECTIONS = 128;

/** Time that requests under way have at the end, in milliseconds. */
export const CLOSE_GRACE_MS = 1_000;

/** Most mistakes of one object that are listed. */
export const MISTAKES_MAX = 10;

/** Longest value of an annotation that is quoted, in characters. */
export const QUOTED_VALUE_MAX_CHARS = 64;
