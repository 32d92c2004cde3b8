import { show, type Entry } from "./collection.ts";
import { asJson } from "./json.ts";
import { apiVersionOf } from "./kinds.ts";
import type { Target } from "./routes.ts";
import { fieldSelector, labelSelector, type Selector } from "./selectors.ts";
import { badRequest, expired, tooLargeVersion } from "./status.ts";
import type { Storage } from "./storage.ts";
import type { ServedObject } from "./types.ts";

/** A page of a list as it is sent. */
export interface Page {
  /** everything but the items */
  readonly head: object;
  readonly items: readonly object[];
}

/** continue tokens of the real server are made alike */
interface Token {
  readonly v: "meta.k8s.io/v1";
  readonly rv: number;
  /** key of the last object of the page before */
  readonly start: string;
}

/** The selectors of a request, and its namespace, as one test. */
export function selectorOf({ kind, namespace, query }: Target): Selector {
  const field = fieldSelector(query.get("fieldSelector") ?? "", kind.fields);
  const label = labelSelector(query.get("labelSelector") ?? "");
  return (object) =>
    (namespace === "" || object.metadata.namespace === namespace) &&
    (label?.(object) ?? true) &&
    (field?.(object) ?? true);
}

/**
 * One page of a list. All pages show the objects as they were at the first.
 * @throws Refusal 410 when that has been forgotten
 */
export function listPage(storage: Storage, target: Target): Page {
  const { kind, namespace, query } = target;
  const collection = storage.collection(kind);
  const asked = Number(query.get("limit") ?? 0);
  const limit = asked > 0 ? asked : Infinity;
  const token = readToken(query.get("continue") ?? "");
  assertKnownVersion(storage, query.get("resourceVersion") ?? "");
  const version = token?.rv ?? storage.version;
  const entries = token === undefined ? collection.entries() : collection.kept(token.rv);
  if (entries === undefined) {
    throw expired(
      "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.",
    );
  }
  const isWanted = selectorOf(target);
  const prefix = namespace === "" ? "" : `${namespace}/`;
  const items: object[] = [];
  let at = token === undefined ? 0 : indexAfter(entries, token.start);
  let last = "";
  for (; at < entries.length && items.length < limit; at += 1) {
    const entry = entries[at];
    // another namespace need not be made to be passed over
    if (entry === undefined || !entry.key.startsWith(prefix)) continue;
    const object = show(entry.held);
    if (!isWanted(object)) continue;
    items.push(kind.isCustom ? object : withoutType(object));
    last = entry.key;
  }
  const more = at < entries.length;
  if (more && token === undefined) collection.keep(version, entries);
  const isAll =
    namespace === "" && query.get("fieldSelector") === null && query.get("labelSelector") === null;
  return {
    head: {
      kind: `${kind.kind}List`,
      apiVersion: apiVersionOf(kind),
      metadata: {
        resourceVersion: String(version),
        ...(more && { continue: writeToken({ v: "meta.k8s.io/v1", rv: version, start: last }) }),
        ...(more && isAll && { remainingItemCount: entries.length - at }),
      },
    },
    items,
  };
}

/**
 * Refuses versions that are not there yet.
 * @throws Refusal 400 for what is no version, 504 for one from the future
 */
function assertKnownVersion(storage: Storage, text: string): void {
  const version = readVersion(text);
  if (version > storage.version) throw tooLargeVersion(version, storage.version);
}

/**
 * Reads a resourceVersion; "" counts as 0.
 * @throws Refusal 400
 */
export function readVersion(text: string): number {
  if (!/^\d*$/.test(text))
    throw badRequest(`Invalid value: "${text}": strconv.ParseUint: parsing "${text}": invalid syntax`);
  return Number(text);
}

/** Items of lists of built-in kinds have neither apiVersion nor kind. */
function withoutType({ apiVersion: _a, kind: _k, ...rest }: ServedObject): object {
  return rest;
}

function indexAfter(entries: readonly Entry[], key: string): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((entries[middle]?.key ?? "") > key) high = middle;
    else low = middle + 1;
  }
  return low;
}

function writeToken(token: Token): string {
  return Buffer.from(JSON.stringify(token)).toString("base64url");
}

function readToken(text: string): Token | undefined {
  if (text === "") return undefined;
  try {
    const { v, rv, start } = asJson(JSON.parse(Buffer.from(text, "base64url").toString()));
    if (v === "meta.k8s.io/v1" && typeof rv === "number" && typeof start === "string")
      return { v, rv, start };
  } catch {
    // falls through to the refusal
  }
  throw badRequest("continue key is not valid");
}
