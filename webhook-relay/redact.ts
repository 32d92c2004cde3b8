import { REDACTED, redactText } from "../lib/redact.ts";
import { splitCredentials } from "./net/url-credentials.ts";

/** Shorter texts are not looked for: they would turn up everywhere. */
const MIN_SECRET_LENGTH = 6;
/** Most secrets that are remembered; the oldest are forgotten first. */
const MAX_SECRETS = 10_000;

/**
 * The one place that keeps secrets out of logs, answers, metrics, pages, errors and the database: it knows every secret
 * that was loaded from a file, and those that were replaced since the start, too.
 */
export class Redactor {
  readonly #secrets = new Set<string>();
  #ordered: readonly string[] = [];

  /** Learns secrets, and the forms in which they may turn up: percent-encoded, inside JSON, without padding. */
  learn(secrets: Iterable<string>): void {
    for (const secret of secrets) for (const form of formsOf(secret)) this.#remember(form);
    // longest first, so that no tail of a secret is left when a shorter one is part of it
    this.#ordered = [...this.#secrets].toSorted((one, other) => other.length - one.length);
  }

  /** The text without any secret that is known, nor anything that looks like a private key or a signed token. */
  redact(text: string): string {
    let clean = redactText(text);
    for (const secret of this.#ordered) {
      if (clean.includes(secret)) clean = clean.replaceAll(secret, REDACTED);
    }
    return clean;
  }

  #remember(form: string): void {
    if (form.length < MIN_SECRET_LENGTH) return;
    this.#secrets.delete(form);
    this.#secrets.add(form);
    const [oldest] = this.#secrets;
    if (this.#secrets.size > MAX_SECRETS && oldest !== undefined) this.#secrets.delete(oldest);
  }
}

/** A URL as it may be shown: scheme, host and port. Paths, queries and credentials are secrets, as in Slack's. */
export function describeUrl(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined) return "[no URL]";
  const hidden = parsed.pathname === "/" && parsed.search === "" ? "" : "/…";
  return `${parsed.protocol}//${parsed.host}${hidden}`;
}

/** The parts of a URL that are secrets: credentials in each form, path with query, and each long part of them. */
export function secretsOfUrl(url: string): readonly string[] {
  if (!URL.canParse(url)) return [url];
  const { username, password, pathname, search, hash } = new URL(url);
  const segments = pathname.split("/").filter((segment) => segment.length >= MIN_SEGMENT_LENGTH);
  const values = [...new URLSearchParams(search).values()];
  const split = splitCredentials(url);
  const credentials = [
    username,
    password,
    split.username,
    split.password,
    split.authorization.replace("Basic ", ""),
  ];
  return [`${pathname}${search}${hash}`, search, ...credentials, ...segments, ...values].filter(
    (part) => part !== "/" && part !== "",
  );
}

/** Segments of a path that are shorter are words such as "hooks", not secrets. */
const MIN_SEGMENT_LENGTH = 9;

function formsOf(secret: string): readonly string[] {
  const bare = secret.replace(/^wh(?:sec|sk)_/, "");
  return [
    secret,
    bare,
    bare.replace(/=+$/, ""),
    encodeURIComponent(secret),
    JSON.stringify(secret).slice(1, -1),
  ];
}
