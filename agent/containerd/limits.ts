/** Every bound of the containerd client: sizes in bytes, times in milliseconds. */

/** Largest message that containerd accepts or sends (its defaults.DefaultMaxRecvMsgSize). */
export const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;
/** Larger chunks are written in messages of this size, where a writer asks for none. */
export const WRITE_MESSAGE_BYTES = 4 * 1024 * 1024;
/** How long a message may take to come together where a writer asks for larger ones than its chunks. */
export const MESSAGE_MS = 500;
/** Messages received ahead of the reader before the stream is paused; containerd reads in messages of 1 MiB. */
export const READ_AHEAD_MESSAGES = 4;
/** HTTP/2 window of one stream. */
export const STREAM_WINDOW_BYTES = 4 * 1024 * 1024;
/** HTTP/2 window of a connection for streams. */
export const CONNECTION_WINDOW_BYTES = 32 * 1024 * 1024;
/** What Node may hold for a connection, in MB: all streams' windows; more streams than fit are refused. */
export const SESSION_MEMORY_MB = 512;

/** Unary calls, unless the caller says otherwise. */
export const CALL_TIMEOUT_MS = 30_000;
/** Unary calls that wait for a garbage collection. */
export const SYNC_TIMEOUT_MS = 5 * 60_000;
/** Unpacking one layer. */
export const APPLY_TIMEOUT_MS = 30 * 60_000;
/** How long a stream waits for containerd's next message. Opening an ingest hashes what it holds first. */
export const STREAM_TIMEOUT_MS = 5 * 60_000;
/** Committing a blob, which writes it to disk for good. */
export const COMMIT_TIMEOUT_MS = 15 * 60_000;
/** How long close waits for chunks under way. */
export const CLOSE_TIMEOUT_MS = 15_000;
/** How long containerd may take to say that it is there. */
export const PROBE_TIMEOUT_MS = 2_000;
/** Between two looks whether containerd is there. */
export const PROBE_INTERVAL_MS = 100;
