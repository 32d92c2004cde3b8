/** One POST through the relay's address checks, and how it can end. */

/** What to send. */
export interface HttpRequest {
  /** credentials in it are sent as a header, unless {@link headers} have one */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** An answer, whatever its status; redirects are answers, too. */
export interface HttpAnswer {
  readonly status: number;
  /** by lower-case name; repeated ones joined by ", " */
  readonly headers: Readonly<Record<string, string>>;
  /** at most RESPONSE_MAX_BYTES */
  readonly body: string;
  /** there was more, which was not read */
  readonly isTruncated: boolean;
}

/** Why there was no answer. */
export type HttpFailureReason =
  | "dns"
  /** the address must not be dialled, see `allowAddresses` */
  | "address"
  | "refused"
  | "unreachable"
  | "tls"
  /** the proxy failed, the receiver is not to blame */
  | "proxy"
  | "reset"
  | "timeout"
  | "aborted"
  /** what came is no HTTP, or broke off */
  | "protocol";

/** A POST got no whole answer. */
export class HttpFailure extends Error {
  override readonly name = "HttpFailure";
  readonly reason: HttpFailureReason;

  constructor(reason: HttpFailureReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** Sends POSTs for one subscription: its TLS, its proxy, its allowed addresses. */
export interface HttpClient {
  /**
   * Sends one POST and reads the answer. Never follows a redirect, never retries.
   * @throws HttpFailure when there is no whole answer
   */
  post(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer>;
  /** Closes the connections. */
  close(): Promise<void>;
}
