/** A containerd unpacked from another Debian suite. */
export interface FetchedContainerd {
  /** folder with containerd, ctr and containerd-shim-runc-v2 */
  readonly binDir: string;
  /** e.g. "1.7.24" */
  readonly version: string;
}

/** Fetches containerd 1.7 (trixie) or 2.1 (sid) into ~/.cache/tote-test, once. */
export declare function fetchContainerd(
  version: "1.7" | "2.1",
  signal?: AbortSignal,
): Promise<FetchedContainerd>;
