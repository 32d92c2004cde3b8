import { Code, ConnectError } from "@connectrpc/connect";

import { orAbort } from "../../lib/abort.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import type { AgentClient } from "./agent-clients.ts";
import {
  ABSENCE_MAX_AGE_MS,
  ANSWER_MAX_AGE_MS,
  ANSWERS_MAX,
  QUESTION_TIMEOUT_MS,
  QUESTIONS_AT_ONCE,
  SILENT_AGENT_PAUSE_MS,
} from "./limits.ts";
import { readNodeImage, type NodeImage } from "./node-image.ts";
import { NodeLines } from "./node-lines.ts";

/** What became of a question. */
export type AgentAnswer =
  | { readonly kind: "image"; readonly image: NodeImage }
  | { readonly kind: "absent" }
  /** no ready agent, no answer in time, or an error */
  | { readonly kind: "silent"; readonly why: string };

/** Asks agents what they have. */
export interface AgentQuestions {
  /** What a reference or digest is on a node. Never rejects but for the signal. */
  ask(node: string, reference: string, signal: AbortSignal): Promise<AgentAnswer>;
  /** The same on many nodes, by node. */
  askAll(
    nodes: readonly string[],
    reference: string,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, AgentAnswer>>;
  /** Does not believe any more what a node said: something has changed there. */
  forget(node: string): void;
}

/** A question that was asked. */
interface Asked {
  readonly answer: Promise<AgentAnswer>;
  /** until when the answer is believed, in monotonic milliseconds; without end while it is awaited */
  until: number;
  /** grows with each question */
  readonly order: number;
}

/** An answer and how many milliseconds it is believed; 0 where silence is remembered by agent, not by question. */
interface Told {
  readonly answer: AgentAnswer;
  readonly forMs: number;
}

/** What an agent answers about what it was asked for, and about nothing else: e.g. that a digest is no image. */
const ABOUT_THE_QUESTION: ReadonlySet<Code> = new Set([
  Code.InvalidArgument,
  Code.FailedPrecondition,
  Code.ResourceExhausted,
  Code.DataLoss,
  Code.Internal,
]);

/** Asks each agent each question once: answers are kept for a while, and who asks meanwhile waits for the same answer. */
export class CachedQuestions implements AgentQuestions {
  readonly #clients: { get(node: string): AgentClient | undefined };
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #onAsked: () => void;
  readonly #lines = new NodeLines(QUESTIONS_AT_ONCE);
  /** by node and reference, oldest first */
  readonly #asked = new Map<string, Asked>();
  /** by node: questions before this one are not to be believed any more */
  readonly #changed = new Map<string, number>();
  /** agents that gave no answer: until when they are left alone, and why */
  readonly #silent = new Map<string, { readonly until: number; readonly why: string }>();
  #order = 0;

  constructor(options: {
    readonly clients: { get(node: string): AgentClient | undefined };
    readonly clock: Clock;
    readonly logger: Logger;
    /** called for each question that is sent */
    readonly onAsked?: () => void;
  }) {
    this.#clients = options.clients;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#onAsked = options.onAsked ?? (() => undefined);
  }

  async ask(node: string, reference: string, signal: AbortSignal): Promise<AgentAnswer> {
    signal.throwIfAborted();
    return await orAbort(this.#answer(node, reference, signal), signal);
  }

  async askAll(
    nodes: readonly string[],
    reference: string,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, AgentAnswer>> {
    signal.throwIfAborted();
    const answers = nodes.map(async (node) => [node, await this.#answer(node, reference, signal)] as const);
    // one listener for all of them: finding the place of each in a signal's list takes time that grows with their number
    return new Map(await orAbort(Promise.all(answers), signal));
  }

  forget(node: string): void {
    this.#silent.delete(node);
    this.#changed.set(node, this.#order);
  }

  async #answer(node: string, reference: string, signal: AbortSignal): Promise<AgentAnswer> {
    const key = `${node}\n${reference}`;
    const before = this.#asked.get(key);
    if (before !== undefined && this.#isBelieved(node, before)) return await before.answer;
    this.#order += 1;
    const answer = this.#lines
      .run(node, () => this.#send(node, reference, signal))
      .then(
        (told) => {
          asked.until = this.#clock.monotonic() + told.forMs;
          return told.answer;
        },
        (error: unknown) => {
          asked.until = 0;
          throw error;
        },
      );
    const asked = { answer, until: Infinity, order: this.#order };
    this.#keep(key, asked);
    return await answer;
  }

  #isBelieved(node: string, { until, order }: Asked): boolean {
    return this.#clock.monotonic() < until && order > (this.#changed.get(node) ?? 0);
  }

  async #send(node: string, reference: string, signal: AbortSignal): Promise<Told> {
    signal.throwIfAborted();
    const silent = this.#silent.get(node);
    if (silent !== undefined && this.#clock.monotonic() < silent.until) return silence(silent.why);
    const client = this.#clients.get(node);
    if (client === undefined) return silence("it has no ready agent");
    this.#onAsked();
    try {
      const answer = await client.resolveImage({ reference }, { signal, timeoutMs: QUESTION_TIMEOUT_MS });
      const image = readNodeImage(answer);
      this.#silent.delete(node);
      return image === undefined
        ? silence("its answer names no digest")
        : { answer: { kind: "image", image }, forMs: ANSWER_MAX_AGE_MS };
    } catch (error) {
      signal.throwIfAborted();
      const failure = ConnectError.from(error);
      if (failure.code === Code.NotFound) return { answer: { kind: "absent" }, forMs: ABSENCE_MAX_AGE_MS };
      if (ABOUT_THE_QUESTION.has(failure.code)) {
        return silence(`its agent answers: ${failure.message}`, ANSWER_MAX_AGE_MS);
      }
      const why = `its agent does not answer: ${failure.message}`;
      const until = this.#clock.monotonic() + SILENT_AGENT_PAUSE_MS;
      this.#silent.set(node, { until, why });
      this.#logger.warn("agent gives no answer", { node, error });
      return silence(why, failure.code === Code.DeadlineExceeded ? ANSWER_MAX_AGE_MS : 0);
    }
  }

  #keep(key: string, asked: Asked): void {
    this.#asked.delete(key);
    this.#asked.set(key, asked);
    if (this.#asked.size <= ANSWERS_MAX) return;
    const [oldest] = this.#asked.keys();
    if (oldest !== undefined) this.#asked.delete(oldest);
  }
}

function silence(why: string, forMs = 0): Told {
  return { answer: { kind: "silent", why }, forMs };
}
