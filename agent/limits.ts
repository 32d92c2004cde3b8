/** Every bound of the agent: sizes in bytes, times in milliseconds. */

/** Largest data field of a stream message. */
export const MESSAGE_BYTES = 1024 * 1024;
/**
 * Most bytes of a blob in one message to containerd, which has them in memory twice. Its Go heap is small, and each
 * message is garbage: with messages of 1 MiB, collecting it is a quarter of containerd's CPU during a transfer.
 */
export const BLOB_MESSAGE_BYTES = 8 * 1024 * 1024;
/** Smaller data fields get memory of their own. */
export const POOLED_MIN_BYTES = 16 * 1024;
/** Buffers that hold a message with its envelope, and how many of them are kept while nothing is moved. */
export const POOLED_MAX_BYTES = MESSAGE_BYTES + 1024;
export const POOLED_KEEP = 16;
/** Largest index, manifest or config (containerd's own limit for manifests). */
export const METADATA_MAX_BYTES = 8 * 1024 * 1024;
/** Layers fetched at the same time by one import. */
export const PARALLEL_LAYERS = 3;
/** Names that one import may create. */
export const MAX_NAMES = 32;
/** Sources that one import may use. */
export const MAX_SOURCES = 32;
/** Imports that run at the same time on one node. */
export const MAX_IMPORTS = 8;
/** Blob and archive streams that run at the same time on one node. */
export const MAX_EXPORTS = 64;
/**
 * Under a bandwidth limit pieces of streams are so small that MAX_EXPORTS of them take so long for one each: well within
 * IDLE_TIMEOUT_MS, also with as many archives beside them. Less than MIN_BANDWIDTH bytes per second would make them
 * smaller than MIN_PIECE_BYTES.
 */
export const PIECES_ROUND_MS = 8_000;
export const MIN_PIECE_BYTES = 16 * 1024;
export const MIN_BANDWIDTH = (MIN_PIECE_BYTES * MAX_EXPORTS * 1000) / PIECES_ROUND_MS;
/** Images on one page of ListImages, by default and at most. */
export const PAGE_DEFAULT = 100;
export const PAGE_MAX = 1000;

/** Until a source has accepted a connection. */
export const CONNECT_TIMEOUT_MS = 5_000;
/** Idle connections kept for the next blob: so many per source, for so long. */
export const KEPT_CONNECTIONS = 4;
export const KEPT_CONNECTION_MS = 30_000;
/** A source that sends nothing for so long is left for the next one, and a caller that pushes a blob is left. */
export const IDLE_TIMEOUT_MS = 30_000;
/** How long a source that has sent a whole blob may take to end its stream. */
export const STREAM_END_WAIT_MS = 1_000;
/** A blob whose bytes are wrong or come only in part from one source is begun so often. */
export const BLOB_MAX_ATTEMPTS = 5;
/** Failures in a row, without a byte in between, after which a source is out. */
export const SOURCE_MAX_FAILURES = 4;
/** Pause after a source's first failure; doubles with each. */
export const SOURCE_BACKOFF_MS = 500;
/** Pause after a source said that it serves as many streams as it can. */
export const SOURCE_BUSY_PAUSE_MS = 2_000;
/** How often each source is asked for nothing, so that it keeps its lease and takes the grant for one still in use. */
export const SOURCE_TOUCH_MS = 20_000;
/** How long a source keeps an image for an import that it hears nothing of. */
export const EXPORT_IDLE_MS = 60_000;

/** Progress messages of an import are this far apart. */
export const PROGRESS_INTERVAL_MS = 500;
/** How long an import waits for a containerd that has gone away. */
export const CONTAINERD_WAIT_MS = 60_000;
/** How often one step of an import is begun anew because containerd went away, and the pause from the second time on. */
export const CONTAINERD_MAX_RESTARTS = 10;
export const CONTAINERD_PAUSE_MS = 500;
/** How long a reader of a blob waits here for a containerd that has gone away: less than it waits for us. */
export const EXPORT_CONTAINERD_WAIT_MS = 20_000;
/** How long an import waits for an ingest that another process writes. */
export const INGEST_LOCK_WAIT_MS = 30_000;
/** Between two looks whether it is free; each costs containerd half a second. */
export const INGEST_LOCK_PAUSE_MS = 500;
/** How long CRI may take to see the new image records. */
export const VISIBLE_TIMEOUT_MS = 20_000;
/** How long what arrived is kept for a next try. */
export const RESUME_TTL_MS = 60 * 60_000;
/** Backstop for leases of running work, should the agent be gone for good. */
export const RUNNING_LEASE_TTL_MS = 24 * 60 * 60_000;
/** How often leases that nobody resumed are looked for. */
export const SWEEP_INTERVAL_MS = 60_000;
/** Unpacking one layer. */
export const APPLY_TIMEOUT_MS = 30 * 60_000;
