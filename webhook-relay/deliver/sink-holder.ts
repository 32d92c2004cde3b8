import type { Sink } from "../sinks/sink.ts";
import type { ResolvedSubscription } from "../subscriptions/subscription.ts";

/** Makes the sink of a subscription. */
export type MakeSink = (resolved: ResolvedSubscription) => Sink;

/** Keeps a sink for as long as attempts use it. */
export class SinkHolder {
  readonly sink: Sink;
  #users = 0;
  #isRetired = false;

  constructor(resolved: ResolvedSubscription, makeSink: MakeSink) {
    this.sink = makeSink(resolved);
  }

  begin(): void {
    this.#users += 1;
  }

  async end(): Promise<void> {
    this.#users -= 1;
    if (this.#isRetired && this.#users === 0) await this.sink.close();
  }

  /** Nothing new will begin: the sink is closed after its last attempt. */
  async retire(): Promise<void> {
    if (this.#isRetired) return;
    this.#isRetired = true;
    if (this.#users === 0) await this.sink.close();
  }
}
