import { Code, ConnectError } from "@connectrpc/connect";

import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import type { AgentClient } from "./agent-clients.ts";
import {
  ANSWER_MAX_AGE_MS,
  ANSWERS_MAX,
  QUESTION_TIMEOUT_MS,
  QUESTIONS_AT_ONCE,
  SILENT_AGENT_PAUSE_MS,
} from "./limits.ts";
import { readNodeImage, type NodeImage } from "./node-image.ts";
import { Slots } from "./slots.ts";

/** What became of a question. */
export type AgentAnswer =
  | { readonly kind: "image"; readonly image: NodeImage }
  | { readonly kind: "absent" }
  /** no ready agent, no answer in time, or an error */
  | { readonly kind: "silent"; readonly why: string };

/** Asks agents what they have. */
export interface AgentQuestions {
  /**
   * What a reference or digest is on a node. Never rejects but for the signal.
   * @param options.fresh ask even though there is an answer
   */
  ask(
    node: string,
    reference: string,
    signal: AbortSignal,
    options?: { readonly fresh?: boolean },
  ): Promise<AgentAnswer>;
  /** The same on many nodes, by node. */
  askAll(
    nodes: readonly string[],
    reference: string,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, AgentAnswer>>;
  /** Forgets what a node said: something has changed there. */
  forget(node: string): void;
}

interface Kept {
  readonly at: number;
  readonly answer: Promise<AgentAnswer>;
}

/** Asks each agent each question once: answers are kept for a while, and who asks meanwhile waits for the same answer. */
export class CachedQuestions implements AgentQuestions {
  readonly #clients: { get(node: string): AgentClient | undefined };
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #onAsked: () => void;
  readonly #slots = new Slots(QUESTIONS_AT_ONCE);
  /** by node and reference, oldest first */
  readonly #answers = new Map<string, Kept>();
  /** agents that gave no answer: until when they are left alone, and why */
  readonly #silent = new Map<string, { readonly until: number; readonly why: string }>();

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

  async ask(
    node: string,
    reference: string,
    signal: AbortSignal,
    options: { readonly fresh?: boolean } = {},
  ): Promise<AgentAnswer> {
    signal.throwIfAborted();
    const key = `${node}\n${reference}`;
    const kept = this.#answers.get(key);
    if (
      kept !== undefined &&
      options.fresh !== true &&
      this.#clock.monotonic() - kept.at < ANSWER_MAX_AGE_MS
    ) {
      return await kept.answer;
    }
    const answer = this.#slots.run(signal, () => this.#send(node, reference, signal));
    this.#keep(key, { at: this.#clock.monotonic(), answer });
    try {
      const result = await answer;
      // silence is remembered by agent, not by question
      if (result.kind === "silent") this.#answers.delete(key);
      return result;
    } catch (error) {
      this.#answers.delete(key);
      throw error;
    }
  }

  async askAll(
    nodes: readonly string[],
    reference: string,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, AgentAnswer>> {
    const answers = await Promise.all(
      nodes.map(async (node) => [node, await this.ask(node, reference, signal)] as const),
    );
    return new Map(answers);
  }

  forget(node: string): void {
    this.#silent.delete(node);
    for (const key of this.#answers.keys()) if (key.startsWith(`${node}\n`)) this.#answers.delete(key);
  }

  async #send(node: string, reference: string, signal: AbortSignal): Promise<AgentAnswer> {
    const silent = this.#silent.get(node);
    if (silent !== undefined && this.#clock.monotonic() < silent.until)
      return { kind: "silent", why: silent.why };
    const client = this.#clients.get(node);
    if (client === undefined) return { kind: "silent", why: "it has no ready agent" };
    this.#onAsked();
    try {
      const answer = await client.resolveImage({ reference }, { signal, timeoutMs: QUESTION_TIMEOUT_MS });
      const image = readNodeImage(answer);
      this.#silent.delete(node);
      return image === undefined
        ? { kind: "silent", why: "its answer names no digest" }
        : { kind: "image", image };
    } catch (error) {
      signal.throwIfAborted();
      const failure = ConnectError.from(error);
      if (failure.code === Code.NotFound) return { kind: "absent" };
      const why = `its agent does not answer: ${failure.message}`;
      const until = this.#clock.monotonic() + SILENT_AGENT_PAUSE_MS;
      this.#silent.set(node, { until, why });
      this.#logger.warn("agent gives no answer", { node, error });
      return { kind: "silent", why };
    }
  }

  #keep(key: string, kept: Kept): void {
    this.#answers.delete(key);
    this.#answers.set(key, kept);
    if (this.#answers.size <= ANSWERS_MAX) return;
    const [oldest] = this.#answers.keys();
    if (oldest !== undefined) this.#answers.delete(oldest);
  }
}
