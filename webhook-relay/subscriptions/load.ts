import type { ReadText } from "../files.ts";
import type { Loaded } from "../follow.ts";
import { parseSubscriptions, type ParseOptions } from "./parse.ts";
import { resolveSubscription } from "./secrets.ts";
import type { ResolvedSubscription } from "./subscription.ts";

/**
 * Reads the file of subscriptions and every file that it names.
 * @throws ConfigError, FileError, InvalidValueError: which line or file, and what must be there
 */
export async function loadSubscriptions(
  options: ParseOptions,
  readText: ReadText,
  signal: AbortSignal,
): Promise<Loaded<readonly ResolvedSubscription[]>> {
  const subscriptions = parseSubscriptions(await readText(options.file, signal), options);
  const resolved: ResolvedSubscription[] = [];
  for (const subscription of subscriptions) {
    resolved.push(await resolveSubscription(subscription, readText, signal));
  }
  return { fingerprint: JSON.stringify(resolved), value: resolved };
}

/** Whether two resolved subscriptions are the same in every respect, contents of files included. */
export function isSameSubscription(one: ResolvedSubscription, other: ResolvedSubscription): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** Whether two resolved subscriptions go to the same receiver, however they do it. */
export function isSameReceiver(one: ResolvedSubscription, other: ResolvedSubscription): boolean {
  return receiverOf(one) === receiverOf(other);
}

function receiverOf({ subscription, secrets }: ResolvedSubscription): string {
  const { type } = subscription;
  const place = type === "slack" ? [subscription.apiUrl, subscription.channel, secrets.token] : [];
  return JSON.stringify([type, secrets.url, ...place]);
}
