import { type Fields, readText, readUrl, refusal } from "./fields.ts";
import type { RateLimit, SlackSubscription } from "./subscription.ts";

/** Fields that were read before, because other subscriptions have them, too. */
export interface SlackGiven {
  readonly url: string | undefined;
  readonly urlFile: string | undefined;
  readonly tokenFile: string | undefined;
  readonly rateLimit: RateLimit | undefined;
}

/**
 * Reads what only Slack has. With `channel` and `tokenFile` it is a bot, with `urlFile` or `url` an incoming webhook, and
 * one excludes the other.
 */
export function parseSlack(
  fields: Fields,
  { url, urlFile, tokenFile, rateLimit }: SlackGiven,
): Pick<SlackSubscription, "channel" | "tokenFile" | "apiUrl"> {
  const channel = fields.take("channel", readChannel);
  const apiUrl = fields.take("apiUrl", readUrl);
  const isBot = fields.has("channel") || fields.has("tokenFile");
  const isHook = url !== undefined || urlFile !== undefined;
  if (fields.has("channel") !== fields.has("tokenFile")) {
    fields.refuse(
      fields.has("channel") ? "tokenFile" : "channel",
      "is required: a bot needs channel and tokenFile, an incoming webhook needs neither",
    );
  }
  if (isBot && isHook) {
    fields.refuse(
      url === undefined ? "urlFile" : "url",
      "is for an incoming webhook, which needs neither channel nor tokenFile; a bot may have apiUrl",
    );
  }
  if (!isBot && !isHook && !fields.has("url") && !fields.has("urlFile")) {
    fields.refuse(
      "urlFile",
      "is required for an incoming webhook; a bot needs channel and tokenFile instead",
    );
  }
  if (!isBot && apiUrl !== undefined) fields.refuse("apiUrl", "is for a bot, with channel and tokenFile");
  // what is not behind a file is not Slack itself
  if (rateLimit !== undefined && rateLimit.perSecond > 1 && apiUrl === undefined && url === undefined) {
    fields.refuse("rateLimit", "is more than 1/s, which Slack does not take");
  }
  return { channel, tokenFile, apiUrl };
}

/** An id such as "C0123456789", or a name with or without "#". */
function readChannel(value: unknown, path: string): string {
  const text = readText(value, path);
  if (/^#?[^\s#@<>&,]{1,80}$/u.test(text) && !text.startsWith("xox")) return text;
  throw refusal(
    path,
    text.startsWith("xox") ? "[a token]" : text,
    'a channel\'s id, e.g. "C0123456789", or name',
  );
}
