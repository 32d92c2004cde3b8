import type { Attempt } from "../sink.ts";
import type { Rendered } from "./blocks.ts";
import { verdictOf } from "./errors.ts";
import type { SlackAnswer, SlackApi } from "./slack-api.ts";

/** Base of Slack's Web API. */
export const SLACK_API = "https://slack.com/api";

/** Where a message goes, or which one is changed. */
export interface Target {
  readonly channel: string;
  /** of the message that is changed */
  readonly ts?: string;
  /** of the message that is replied to */
  readonly thread_ts?: string;
}

/** What a bot calls with. */
export interface BotApiOptions {
  readonly api: SlackApi;
  /** without a slash at the end */
  readonly baseUrl: string;
  readonly token: string;
}

/** Messages that {@link BotApi.find} looks at: what a killed relay has sent last is among the newest. */
const LOOK_BACK = 10;

/** The calls of the Web API that a bot makes during one attempt. */
export class BotApi {
  readonly #options: BotApiOptions;
  readonly #attempt: Attempt;
  readonly #signal: AbortSignal;

  constructor(options: BotApiOptions, attempt: Attempt, signal: AbortSignal) {
    this.#options = options;
    this.#attempt = attempt;
    this.#signal = signal;
  }

  /** Posts a message, a reply, or a message anew; as plain text when its blocks are not taken. */
  async send(target: Target, { text, blocks, fallback }: Rendered): Promise<SlackAnswer> {
    const isUpdate = target.ts !== undefined;
    const common = { ...target, parse: "none", link_names: false };
    const more = isUpdate ? {} : { unfurl_links: false, unfurl_media: false };
    const method = isUpdate ? "chat.update" : "chat.postMessage";
    const answer = await this.#json(method, { ...common, ...more, text, blocks });
    const isOurs = answer.kind === "refused" && verdictOf(answer.error) === "plain";
    if (!isOurs) return withMessage(answer);
    // an update without blocks would leave the old ones
    const plain = { ...common, ...more, text: fallback, ...(isUpdate && { blocks: [] }) };
    return withMessage(await this.#json(method, plain));
  }

  /**
   * Looks for a message of ours among the newest of a channel, by the mark on its first block.
   * @returns its ts, "" when it is not there or we may not look, or why that is not known
   */
  async find(channel: string, blockId: string): Promise<string | SlackAnswer> {
    const answer = await this.#call(
      "conversations.history",
      "application/x-www-form-urlencoded",
      new URLSearchParams({ channel, limit: String(LOOK_BACK) }).toString(),
    );
    if (answer.kind === "ok") return findTs(answer.body, blockId);
    return answer.kind === "refused" ? "" : answer;
  }

  async #json(method: string, body: object): Promise<SlackAnswer> {
    return await this.#call(method, "application/json; charset=utf-8", JSON.stringify(body));
  }

  async #call(method: string, contentType: string, body: string): Promise<SlackAnswer> {
    const { api, baseUrl, token } = this.#options;
    const headers = { authorization: `Bearer ${token}`, "content-type": contentType };
    return await api.call(
      { method, url: `${baseUrl}/${method}`, headers, body },
      this.#attempt,
      this.#signal,
    );
  }
}

/** Without `ts` a message is of no use to us: whoever answered is not Slack. */
function withMessage(answer: SlackAnswer): SlackAnswer {
  if (answer.kind !== "ok" || answer.ts !== "") return answer;
  const message = "answered without the message's ts: is apiUrl the base of a Web API?";
  return { kind: "failed", outcome: { kind: "rejected", reason: "protocol", message, status: 200 } };
}

/** The newest message that has a block of this id; "" for none, or an answer that was too long to be read. */
function findTs(body: string, blockId: string): string {
  try {
    const answer: { messages?: readonly { ts?: unknown; blocks?: readonly { block_id?: unknown }[] }[] } =
      JSON.parse(body);
    const found = answer.messages?.find(({ blocks }) => blocks?.some(({ block_id: id }) => id === blockId));
    return typeof found?.ts === "string" ? found.ts : "";
  } catch {
    // not found is what is safe: a message too many
    return "";
  }
}
