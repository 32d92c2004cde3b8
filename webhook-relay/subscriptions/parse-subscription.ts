import { InvalidValueError } from "../../lib/errors.ts";
import {
  ATTEMPT_TIMEOUT_MAX_MS,
  ATTEMPT_TIMEOUT_MS,
  DELIVERY_MAX_AGE_MS,
  GROUP_INTERVAL_MAX_MS,
  GROUP_SAMPLES,
  GROUP_SAMPLES_MAX,
  RETRY_MAX_ATTEMPTS,
  RETRY_SCHEDULE_MS,
} from "../limits.ts";
import { parseCidr } from "../net/addresses.ts";
import { type Fields, readDuration, readText, readTexts, readUrl, refusal } from "./fields.ts";
import {
  FOLDED_BY_DEFAULT,
  FORMATS,
  type EventFilter,
  type GroupPolicy,
  type RateLimit,
  type RetryPolicy,
  type Subscription,
  type SubscriptionBase,
  type SubscriptionType,
} from "./subscription.ts";
import { SEVERITIES } from "../event/event.ts";
import { parseSlack } from "./parse-slack.ts";

/** What a subscription is read with. */
export interface SubscriptionOptions {
  readonly types: readonly SubscriptionType[];
  /** makes a file's name absolute */
  readonly resolvePath: (path: string) => string;
}

/** Longest time that a delivery may be tried, and longest pause between two attempts. */
const MAX_AGE_LIMIT_MS = 30 * 24 * 3_600_000;

/** Reads one subscription; undefined when something is wrong, which `fields` has been told. */
export function parseSubscription(fields: Fields, options: SubscriptionOptions): Subscription | undefined {
  const name = fields.take("name", readName);
  if (name === undefined && !fields.has("name")) fields.refuse("name", "is required");
  const type = fields.choice("type", options.types);
  if (!fields.has("type")) fields.refuse("type", `is required, must be one of ${options.types.join(", ")}`);
  const base = parseBase(fields, name ?? "", options);
  const file = (field: string): string | undefined =>
    fields.take(field, (value, path) => options.resolvePath(readPath(value, path)));
  const url = fields.take("url", readUrl);
  const urlFile = file("urlFile");
  if (url !== undefined && urlFile !== undefined) fields.refuse("urlFile", "excludes url");
  if (type === "slack") {
    const slack = parseSlack(fields, {
      url,
      urlFile,
      tokenFile: file("tokenFile"),
      rateLimit: base.rateLimit,
    });
    fields.end();
    return name === undefined ? undefined : { ...base, name, type, url, urlFile, ...slack };
  }
  const format = fields.choice("format", FORMATS) ?? "standard";
  const secretFiles = fields.take("secretFiles", readPaths)?.map(options.resolvePath) ?? [];
  if (!fields.has("url") && !fields.has("urlFile")) {
    fields.refuse("url", "is required, or urlFile, which keeps it out of this file");
  }
  if (format === "tote-v0" && base.group !== undefined) {
    fields.refuse("group", "is not possible with format tote-v0, which has no message for several events");
  }
  fields.end();
  if (name === undefined || type === undefined) return undefined;
  return { ...base, name, type, format, secretFiles, url, urlFile };
}

function parseBase(fields: Fields, name: string, { resolvePath }: SubscriptionOptions): SubscriptionBase {
  const tls = fields.fields("tls");
  const tlsFile = (field: string): string | undefined =>
    tls?.take(field, (value, path) => resolvePath(readPath(value, path)));
  const [ca, cert, key] = [tlsFile("ca"), tlsFile("cert"), tlsFile("key")];
  if ((cert === undefined) !== (key === undefined)) {
    tls?.refuse(cert === undefined ? "cert" : "key", "is required: cert and key belong together");
  }
  tls?.end();
  const proxy = fields.take("proxy", readUrl);
  const proxyFile = fields.take("proxyFile", (value, path) => resolvePath(readPath(value, path)));
  if (proxy !== undefined && proxyFile !== undefined) fields.refuse("proxyFile", "excludes proxy");
  return {
    name,
    filter: parseFilter(fields),
    timeoutMs: fields.duration("timeout", 100, ATTEMPT_TIMEOUT_MAX_MS) ?? ATTEMPT_TIMEOUT_MS,
    retry: parseRetry(fields),
    rateLimit: fields.take("rateLimit", readRate),
    group: parseGroup(fields),
    headersFile: fields.take("headersFile", (value, path) => resolvePath(readPath(value, path))),
    tls: { ca, cert, key },
    proxy,
    proxyFile,
    allowAddresses: fields.take("allowAddresses", readCidrs) ?? [],
  };
}

function parseFilter(fields: Fields): EventFilter {
  const severity = fields.take("severity", (value, path) => {
    const given = readTexts(value, path);
    const unknown = given.find((one) => !(SEVERITIES as readonly string[]).includes(one));
    if (unknown !== undefined) throw refusal(path, unknown, `one of ${SEVERITIES.join(", ")}`);
    return { isList: Array.isArray(value), given };
  });
  const isLeast = severity !== undefined && !severity.isList;
  return {
    events: fields.take("events", readGlobs) ?? [],
    namespaces: fields.take("namespaces", readGlobs) ?? [],
    minSeverity: isLeast ? severity.given[0] : undefined,
    severities: severity === undefined || isLeast ? [] : severity.given,
  };
}

function parseRetry(fields: Fields): RetryPolicy {
  const retry = fields.fields("retry");
  const scheduleMs = retry?.take("schedule", (value, path) => {
    if (!Array.isArray(value) || value.length === 0 || value.length > RETRY_MAX_ATTEMPTS) {
      throw refusal(path, value, `a list of 1 to ${RETRY_MAX_ATTEMPTS} durations, one before each attempt`);
    }
    return value.map((item: unknown, at) => readDuration(item, `${path}[${at}]`, 0, MAX_AGE_LIMIT_MS));
  });
  const maxAgeMs = retry?.duration("maxAge", 1000, MAX_AGE_LIMIT_MS);
  retry?.end();
  return { scheduleMs: scheduleMs ?? RETRY_SCHEDULE_MS, maxAgeMs: maxAgeMs ?? DELIVERY_MAX_AGE_MS };
}

function parseGroup(fields: Fields): GroupPolicy | undefined {
  const group = fields.fields("group");
  if (group === undefined) return undefined;
  const intervalMs = group.duration("interval", 0, GROUP_INTERVAL_MAX_MS);
  if (!group.has("interval")) group.refuse("interval", 'is required, e.g. "60s"');
  const events = group.take("events", readGlobs) ?? FOLDED_BY_DEFAULT;
  const samples = group.int("samples", 1, GROUP_SAMPLES_MAX) ?? GROUP_SAMPLES;
  group.end();
  return { intervalMs: intervalMs ?? 0, events, samples };
}

const RATE_UNITS: ReadonlyMap<string, number> = new Map([
  ["s", 1],
  ["m", 60],
  ["h", 3600],
]);

/** "10/s", "30/m" or "100/h". */
function readRate(value: unknown, path: string): RateLimit {
  const must = 'a number per second, minute or hour, e.g. "10/s", "30/m" or "100/h"';
  if (typeof value !== "string") throw refusal(path, value, must);
  const [, count, unit] = /^([1-9]\d{0,6})\/([smh])$/.exec(value) ?? [];
  const seconds = RATE_UNITS.get(unit ?? "");
  if (count === undefined || seconds === undefined) throw refusal(path, value, must);
  const perSecond = Number(count) / seconds;
  return { perSecond, burst: Math.max(1, Math.ceil(perSecond)) };
}

function readName(value: unknown, path: string): string {
  if (typeof value === "string" && /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(value)) return value;
  throw refusal(path, value, '1 to 63 lower-case letters, digits and -, e.g. "on-call"');
}

/** Names of files. What looks like a secret is in the wrong place, and is not shown. */
function readPaths(value: unknown, path: string): readonly string[] {
  const paths = readTexts(value, path);
  const at = paths.findIndex((one) => /:\/\/|^(?:whsec_|whsk_|xox|Bearer )/.test(one));
  if (at < 0) return paths;
  const where = paths.length === 1 ? path : `${path}[${at}]`;
  throw new InvalidValueError(where, "is a secret itself, must be the name of a file that holds it");
}

function readPath(value: unknown, path: string): string {
  readText(value, path);
  return readPaths(value, path)[0] ?? "";
}

function readGlobs(value: unknown, path: string): readonly string[] {
  const globs = readTexts(value, path);
  const bad = globs.find((glob) => !/^[a-zA-Z0-9*._-]{1,253}$/.test(glob));
  if (bad !== undefined) throw refusal(path, bad, "letters, digits, . _ - and *, which stands for anything");
  return globs;
}

function readCidrs(value: unknown, path: string): readonly string[] {
  const cidrs = readTexts(value, path);
  for (const [at, cidr] of cidrs.entries()) parseCidr(cidr, `${path}[${at}]`);
  return cidrs;
}
