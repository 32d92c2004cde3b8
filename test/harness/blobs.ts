/** An OCI content descriptor. */
export interface Descriptor {
  readonly mediaType: string;
  /** "sha256:<64 hex>" */
  readonly digest: string;
  /** bytes */
  readonly size: number;
  readonly platform?: Platform;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** An OCI platform. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/** The bytes of one blob, in memory or in a file. */
export interface BlobSource {
  readonly digest: string;
  readonly size: number;
  /** Reads from an offset (default 0) to the end, in pieces. */
  read(offset?: number): AsyncIterable<Uint8Array>;
  /** All bytes at once; for small blobs. */
  bytes(): Promise<Uint8Array>;
}
