/** Reading a blob from another agent. */

/** What to read. */
export interface BlobRequest {
  /** URL of the agent */
  readonly endpoint: string;
  readonly digest: string;
  /** first byte wanted */
  readonly offset: number;
  /** the image on whose behalf it is read */
  readonly imageDigest: string;
  /** export grant; empty in insecure mode */
  readonly grant: string;
  readonly signal: AbortSignal;
}

/**
 * First the blob's size, then its bytes from the offset on; the memory of `data` is used again once the next message is
 * asked for.
 */
export type BlobMessage = { readonly size: number } | { readonly data: Uint8Array };

/** Opens a stream; errors are ConnectErrors of the peer, or unavailable and deadline_exceeded when it is not there. */
export type OpenBlob = (request: BlobRequest) => AsyncIterable<BlobMessage>;
