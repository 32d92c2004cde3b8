import type { Clock } from "../../lib/clock.ts";
import { TokenBucket } from "../deliver/token-bucket.ts";
import { LOGIN_PEERS_MAX, LOGIN_TRIES, LOGIN_TRY_MS } from "../limits.ts";

/** Slows down whoever tries tokens, each address for itself. */
export class LoginLimit {
  readonly #clock: Pick<Clock, "monotonic">;
  /** oldest first */
  readonly #peers = new Map<string, TokenBucket>();

  constructor(clock: Pick<Clock, "monotonic">) {
    this.#clock = clock;
  }

  /** Whether a try may be made now; 0 when it may, else milliseconds until the next. */
  begin(peer: string): number {
    const now = this.#clock.monotonic();
    const bucket = this.#bucketOf(peer, now);
    return bucket.take(1, now) === 1 ? 0 : bucket.waitMs(now);
  }

  /** The try was right: it does not count. */
  succeeded(peer: string): void {
    this.#peers.get(peer)?.giveBack(1);
  }

  #bucketOf(peer: string, now: number): TokenBucket {
    const known = this.#peers.get(peer);
    const bucket = known ?? new TokenBucket({ perSecond: 1000 / LOGIN_TRY_MS, burst: LOGIN_TRIES }, now);
    this.#peers.delete(peer);
    this.#peers.set(peer, bucket);
    const [oldest] = this.#peers.keys();
    if (this.#peers.size > LOGIN_PEERS_MAX && oldest !== undefined) this.#peers.delete(oldest);
    return bucket;
  }
}
