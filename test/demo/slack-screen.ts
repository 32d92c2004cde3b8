import type { SlackDouble, SlackMessage } from "../../webhook-relay/testing/slack-double.ts";
import { blockLines, markChanges } from "./slack-text.ts";

/** Prints the channel of a double as a reader would see it. */
export class SlackScreen {
  readonly #slack: Pick<SlackDouble, "messages">;
  readonly #print: (text: string) => void;
  readonly #seen = new Map<string, SlackMessage>();

  constructor(slack: Pick<SlackDouble, "messages">, print: (text: string) => void) {
    this.#slack = slack;
    this.#print = print;
  }

  /** Prints what is new and what has changed since the last look. */
  look(): void {
    for (const message of this.#slack.messages()) {
      const before = this.#seen.get(message.ts);
      if (before?.edits === message.edits) continue;
      this.#seen.set(message.ts, message);
      this.#print(describe(message, before));
    }
  }
}

function describe(message: SlackMessage, before: SlackMessage | undefined): string {
  const lines = blockLines(message.blocks);
  if (message.threadTs !== "") return lines.map((line) => `slack #ops, in the thread: ${line}`).join("\n");
  const what = before === undefined ? "a new message" : "the same message, changed";
  return `slack #ops, ${what}:\n${markChanges(before === undefined ? [] : blockLines(before.blocks), lines)}`;
}
