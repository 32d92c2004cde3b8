import type { EventData, RelayEvent } from "./event.ts";

/** Something that is wrong with an event. */
export interface EventProblem {
  /** e.g. "data.bytes" */
  readonly path: string;
  /** the value found and what it must be */
  readonly message: string;
}

/** An event, or all that is wrong with it. */
export type ParsedEvent =
  | { readonly kind: "event"; readonly event: RelayEvent }
  | { readonly kind: "problems"; readonly problems: readonly EventProblem[] };

/** Without ".", which separates the parts of what is signed. */
const ID = /^[A-Za-z0-9_-]{1,128}$/;
const TYPE = /^[a-z0-9_]+(?:\.[a-z0-9_]+)+$/;
/** RFC 3339. */
const TIME = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)$/;

const TYPE_MAX_CHARS = 128;
const SOURCE_MAX_CHARS = 512;
const SUBJECT_MAX_CHARS = 1024;
/** Longest text of `data` that is looked up by: it is a column of an index. */
const KEY_MAX_CHARS = 512;

/** Levels of lists and objects in each other: what writes and checks JSON calls itself for each. */
const DEPTH_MAX = 64;

const TEXTS = [
  "record",
  "pod",
  "container",
  "image",
  "digest",
  "cause",
  "reason",
  "targetNode",
  "message",
] as const;
const KEYS = ["incident", "namespace", "severity"] as const;
const NUMBERS = ["bytes", "durationMs", "attempt"] as const;

/**
 * Checks an event of a client. What is not described is let through, so that a controller of a later release is
 * understood; what is described must be right.
 */
export function parseEvent(value: unknown): ParsedEvent {
  const problems: EventProblem[] = [];
  const say = (path: string, found: unknown, must: string): void => {
    problems.push({ path, message: `${show(found)} is not allowed, must be ${must}` });
  };
  if (isDeeperThan(value, DEPTH_MAX)) {
    // what is nested so deep cannot be shown either
    problems.push({ path: "", message: `is nested too deep, at most ${DEPTH_MAX} levels are allowed` });
    return { kind: "problems", problems };
  }
  if (!isRecord(value)) {
    say("", value, "an object");
    return { kind: "problems", problems };
  }
  const { id, type, source, time, subject, data } = value;
  if (!isText(id) || !ID.test(id)) say("id", id, "1 to 128 letters, digits, - and _");
  if (!isText(type) || type.length > TYPE_MAX_CHARS || !TYPE.test(type)) {
    say("type", type, 'words with dots between them, e.g. "tote.image.detected"');
  }
  if (!isText(source) || source === "" || source.length > SOURCE_MAX_CHARS) {
    say("source", source, `the name of the cluster, 1 to ${SOURCE_MAX_CHARS} characters`);
  }
  if (!isText(time) || !TIME.test(time) || Number.isNaN(Date.parse(time))) {
    say("time", time, 'a time as RFC 3339 has it, e.g. "2026-01-31T12:00:00Z"');
  }
  if (!isText(subject) || subject === "" || subject.length > SUBJECT_MAX_CHARS) {
    say("subject", subject, `"namespace/pod", 1 to ${SUBJECT_MAX_CHARS} characters`);
  }
  if (isRecord(data)) checkData(data, say);
  else say("data", data, "an object");
  if (problems.length > 0 || !isEvent(value)) return { kind: "problems", problems };
  return { kind: "event", event: value };
}

/** Whether lists and objects are nested deeper than so many levels. Level by level, so that no depth is too deep to look at. */
function isDeeperThan(value: unknown, most: number): boolean {
  let level: readonly unknown[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > most) return true;
    level = level.flatMap((one) => (typeof one === "object" && one !== null ? Object.values(one) : []));
  }
  return false;
}

/**
 * Reads an event that was checked before it was written.
 * @throws Error when it is none
 */
export function readStoredEvent(body: string): RelayEvent {
  const parsed = parseEvent(JSON.parse(body));
  if (parsed.kind === "event") return parsed.event;
  const [first] = parsed.problems;
  throw new Error(`a stored event is not valid: ${first?.path ?? ""} ${first?.message ?? ""}`);
}

function checkData(
  data: Record<string, unknown>,
  say: (path: string, found: unknown, must: string) => void,
): void {
  for (const name of TEXTS) {
    if (data[name] !== undefined && !isText(data[name])) say(`data.${name}`, data[name], "text");
  }
  for (const name of KEYS) {
    const value = data[name];
    if (value !== undefined && (!isText(value) || value.length > KEY_MAX_CHARS)) {
      say(`data.${name}`, value, `text of up to ${KEY_MAX_CHARS} characters`);
    }
  }
  for (const name of NUMBERS) {
    const value = data[name];
    if (value !== undefined && (typeof value !== "number" || !Number.isFinite(value) || value < 0)) {
      say(`data.${name}`, value, "a number from 0");
    }
  }
  const { owner, sourceNodes } = data;
  if (owner !== undefined && !(isRecord(owner) && isText(owner["kind"]) && isText(owner["name"]))) {
    say("data.owner", owner, "an object with kind and name");
  }
  if (sourceNodes !== undefined && !(Array.isArray(sourceNodes) && sourceNodes.every(isText))) {
    say("data.sourceNodes", sourceNodes, "a list of texts");
  }
}

/** The checks above in the language of types; they have been made. */
function isEvent(
  value: Record<string, unknown>,
): value is Record<string, unknown> & RelayEvent & { data: EventData } {
  return isText(value["id"]) && isText(value["type"]) && isRecord(value["data"]);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

/** A value as an error shows it: short, and on one line. */
function show(value: unknown): string {
  if (value === undefined) return "nothing";
  const json = JSON.stringify(value);
  return json.length > 80 ? `${json.slice(0, 80)}…` : json;
}
