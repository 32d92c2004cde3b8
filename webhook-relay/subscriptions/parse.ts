import { isAbsolute, join } from "node:path";

import { parseDocument } from "yaml";

import { Fields } from "./fields.ts";
import { parseSubscription } from "./parse-subscription.ts";
import type { Subscription, SubscriptionType } from "./subscription.ts";

/** Subscriptions in one file. */
const MAX_SUBSCRIPTIONS = 1000;
/** Lines of mistakes that are told at once. */
const MAX_PROBLEMS = 20;

/** The file of subscriptions cannot be used. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  /** one line each, with the path and the value */
  readonly problems: readonly string[];

  constructor(file: string, problems: readonly string[]) {
    const shown = problems.slice(0, MAX_PROBLEMS);
    const more = problems.length > shown.length ? `; and ${problems.length - shown.length} more` : "";
    super(`${file}: ${shown.join("; ")}${more}`);
    this.problems = problems;
  }
}

/** What a file is read with. */
export interface ParseOptions {
  /** for errors, and relative names in it start from its folder */
  readonly file: string;
  /** what this relay has a sink for */
  readonly types: readonly SubscriptionType[];
}

/**
 * Reads the file of subscriptions. Pure.
 * @throws ConfigError with every mistake: path, value found, what is allowed
 */
export function parseSubscriptions(text: string, options: ParseOptions): readonly Subscription[] {
  const { file } = options;
  const document = parseDocument(text, { prettyErrors: true, uniqueKeys: true });
  // a warning is a mistake as well, e.g. a tag that nobody knows
  const yamlProblems = [...document.errors, ...document.warnings].map(({ message }) => oneLine(message));
  if (yamlProblems.length > 0) throw new ConfigError(file, yamlProblems);
  const problems: string[] = [];
  const content: unknown = toPlain(document, file) ?? {};
  const root = new Fields("", content, problems);
  const list = root.raw("subscriptions") ?? [];
  root.end();
  const subscriptions = Array.isArray(list)
    ? list.slice(0, MAX_SUBSCRIPTIONS).map((item: unknown, at) =>
        parseSubscription(new Fields(`subscriptions[${at}]`, item, problems), {
          types: options.types,
          resolvePath: (path) => (isAbsolute(path) ? path : join(file, "..", path)),
        }),
      )
    : [];
  if (!Array.isArray(list)) problems.push("subscriptions: must be a list");
  else if (list.length > MAX_SUBSCRIPTIONS) {
    problems.push(`subscriptions: has ${list.length}, at most ${MAX_SUBSCRIPTIONS} are allowed`);
  }
  for (const [at, one] of subscriptions.entries()) {
    const first = subscriptions.findIndex((other) => other?.name === one?.name);
    if (one !== undefined && first < at) {
      problems.push(
        `subscriptions[${at}].name: ${JSON.stringify(one.name)} is the name of subscriptions[${first}], too`,
      );
    }
  }
  if (problems.length > 0) {
    throw new ConfigError(
      file,
      problems.map((problem) => problem.replace(/^\./, "")),
    );
  }
  return subscriptions.filter((one) => one !== undefined);
}

function toPlain(document: ReturnType<typeof parseDocument>, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw new ConfigError(file, [oneLine(error instanceof Error ? error.message : String(error))]);
  }
}

function oneLine(message: string): string {
  return message.split("\n")[0]?.replace(/:$/, "") ?? "";
}
