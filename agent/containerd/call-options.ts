/** What every call to containerd can be given. */

/** Labels of a blob, image, lease or snapshot: key and value together are at most 4096 bytes. */
export type Labels = Readonly<Record<string, string>>;

/** Options of every call. */
export interface CallOptions {
  /** Ends the call, which then rejects with code canceled. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until a unary call rejects with deadline_exceeded. Default: that of the client. Streams have none. */
  readonly timeoutMs?: number | undefined;
}

/** Options of a call that creates content or snapshots. */
export interface LeasedCallOptions extends CallOptions {
  /** Id of the lease that keeps what the call makes from garbage collection. */
  readonly lease?: string | undefined;
}
