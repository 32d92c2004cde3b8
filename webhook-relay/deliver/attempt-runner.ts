import type { Clock } from "../../lib/clock.ts";
import { describeError } from "../../lib/errors.ts";
import { ATTEMPT_MARGIN_MS } from "../limits.ts";
import type { Attempt, Batch, Outcome, Sink } from "../sinks/sink.ts";

/** The time of an attempt is over. The name is what tells it from other ends. */
class AttemptTimeout extends Error {
  override readonly name = "TimeoutError";
}

/** What an attempt came to, and how. */
export interface FinishedAttempt {
  readonly outcome: Outcome;
  /** milliseconds */
  readonly durationMs: number;
  /** it was told to end because the relay stops */
  readonly isInterrupted: boolean;
}

/** Runs attempts: each ends in time, whatever its sink does. */
export class AttemptRunner {
  readonly #clock: Clock;
  readonly #running = new Set<AbortController>();
  #stopped: Error | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Has a sink make one attempt. Never throws. */
  async run(sink: Sink, batch: Batch, attempt: Attempt): Promise<FinishedAttempt> {
    const started = this.#clock.monotonic();
    const control = new AbortController();
    const timers = new AbortController();
    if (this.#stopped !== undefined) control.abort(this.#stopped);
    this.#running.add(control);
    try {
      const outcome = await Promise.race([
        deliver(sink, batch, attempt, control.signal),
        this.#timeOut(sink.timeoutMs, control, timers.signal),
      ]);
      const durationMs = Math.round(this.#clock.monotonic() - started);
      const isInterrupted = this.#stopped !== undefined && outcome.kind === "retry";
      return { outcome, durationMs, isInterrupted };
    } finally {
      this.#running.delete(control);
      timers.abort();
    }
  }

  /** Tells every attempt to end, those that begin later, too. */
  stop(): void {
    this.#stopped = new Error("the relay stops");
    for (const control of this.#running) control.abort(this.#stopped);
  }

  /** Tells the attempt when its time is over, and goes on without it when it does not listen. */
  async #timeOut(timeoutMs: number, control: AbortController, timers: AbortSignal): Promise<Outcome> {
    try {
      const over = Promise.withResolvers<void>();
      control.signal.addEventListener("abort", () => over.resolve(), { once: true });
      if (control.signal.aborted) over.resolve();
      await Promise.race([this.#clock.sleep(timeoutMs, timers), over.promise]);
      control.abort(new AttemptTimeout(`no end after ${timeoutMs} ms`));
      await this.#clock.sleep(ATTEMPT_MARGIN_MS, timers);
      return failed("timeout", `no end after ${timeoutMs} ms, and it did not stop when told to`);
    } catch (error) {
      // the attempt has ended: nobody looks at this any more
      return failed("timeout", describeError(error));
    }
  }
}

/** An attempt that cannot begin: what it would send cannot be read. The receiver is not to blame. */
export function unreadable(error: Error): FinishedAttempt {
  const message = `the relay could not read what to send: ${describeError(error)}`;
  const outcome = { kind: "retry", reason: "defect", message, costsAttempt: true, trips: false } as const;
  return { outcome, durationMs: 0, isInterrupted: false };
}

async function deliver(sink: Sink, batch: Batch, attempt: Attempt, signal: AbortSignal): Promise<Outcome> {
  try {
    return await sink.deliver(batch, attempt, signal);
  } catch (error) {
    return failed("defect", `the relay could not make the attempt: ${describeError(error)}`);
  }
}

function failed(reason: string, message: string): Outcome {
  return { kind: "retry", reason, message, costsAttempt: true, trips: true, mayHaveArrived: true };
}
