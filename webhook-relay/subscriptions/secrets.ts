import { createPrivateKey, createPublicKey } from "node:crypto";

import { describeError, InvalidValueError } from "../../lib/errors.ts";
import { parseCertificates } from "../../lib/pem.ts";
import type { ReadText } from "../files.ts";
import { isEncoded, splitCredentials } from "../net/url-credentials.ts";
import { secretsOfUrl } from "../redact.ts";
import { parseSigningKey } from "../sign.ts";
import type { ResolvedSubscription, Subscription, SubscriptionSecrets } from "./subscription.ts";

/** Signing keys of one subscription. */
const MAX_SIGNING_KEYS = 10;

/** Headers that the relay sets itself, or that would change how the message is read. */
const RESERVED_HEADERS =
  /^(?:webhook-.*|tote-.*|host|connection|content-(?:length|type|encoding)|transfer-encoding|te|trailer|upgrade|expect|keep-alive|proxy-.*)$/;

/**
 * Reads every file that a subscription names, and checks what is in them.
 * @throws FileError, InvalidValueError: they name subscription, field and file, never what is in the file
 */
export async function resolveSubscription<S extends Subscription>(
  subscription: S,
  readText: ReadText,
  signal: AbortSignal,
): Promise<ResolvedSubscription<S>> {
  const { name, headersFile, tls } = subscription;
  const where = (field: string, file: string): string => `subscription ${name}: ${field} ${file}`;
  const read = async (field: string, file: string | undefined): Promise<string> => {
    if (file === undefined) return "";
    const text = (await readText(file, signal)).trim();
    if (text === "") throw new InvalidValueError(where(field, file), "is empty");
    return text;
  };
  const secrets: SubscriptionSecrets = {
    url: await readUrl(subscription, read, where),
    signingKeys: await readKeys(subscription, read, where),
    headers: parseHeaders(await read("headersFile", headersFile), where("headersFile", headersFile ?? "")),
    token: await readToken(subscription, read, where),
    proxyUrl: await readProxy(subscription, read, where),
    ca: await read("tls.ca", tls.ca),
    cert: await read("tls.cert", tls.cert),
    key: await read("tls.key", tls.key),
  };
  checkTls(name, secrets);
  checkCredentials(secrets, where("headersFile", headersFile ?? ""));
  return { subscription, secrets };
}

/** Every text that must not turn up anywhere. */
export function secretsOf({ subscription, secrets }: ResolvedSubscription): readonly string[] {
  const { url, proxyUrl, signingKeys, headers, token, key } = secrets;
  // a URL in the configuration is not a secret, and its words turn up in other places
  const isUrlSecret = subscription.urlFile !== undefined;
  const values = headers.flatMap(([, value]) => [value, value.replace(/^[A-Za-z]+ +/, "")]);
  return [
    ...(isUrlSecret ? [url, ...secretsOfUrl(url)] : []),
    ...(subscription.proxyFile === undefined ? [] : [proxyUrl, ...secretsOfUrl(proxyUrl)]),
    ...signingKeys,
    ...values,
    token,
    key,
  ].filter((secret) => secret !== "");
}

type Read = (field: string, file: string | undefined) => Promise<string>;
type Where = (field: string, file: string) => string;

async function readUrl(subscription: Subscription, read: Read, where: Where): Promise<string> {
  const { url, urlFile } = subscription;
  if (urlFile === undefined) return url ?? "";
  return checkUrl(await read("urlFile", urlFile), where("urlFile", urlFile));
}

async function readProxy(subscription: Subscription, read: Read, where: Where): Promise<string> {
  const { proxy, proxyFile } = subscription;
  if (proxyFile === undefined) return proxy ?? "";
  const field = where("proxyFile", proxyFile);
  const url = checkUrl(await read("proxyFile", proxyFile), field);
  if (isEncoded(url)) return url;
  throw new InvalidValueError(
    field,
    'has credentials with a "%" that begins no code, must be written as "%25"',
  );
}

async function readToken(subscription: Subscription, read: Read, where: Where): Promise<string> {
  if (subscription.type !== "slack") return "";
  const token = await read("tokenFile", subscription.tokenFile);
  if (/^[\x21-\x7e]*$/.test(token)) return token;
  throw new InvalidValueError(
    where("tokenFile", subscription.tokenFile ?? ""),
    'holds no token, must be one line such as "xoxb-..."',
  );
}

function checkUrl(text: string, field: string): string {
  const protocol = URL.canParse(text) ? new URL(text).protocol : "";
  if (protocol === "https:" || protocol === "http:") return text;
  throw new InvalidValueError(field, "holds no address, must be one that begins with https:// or http://");
}

async function readKeys(subscription: Subscription, read: Read, where: Where): Promise<readonly string[]> {
  if (subscription.type !== "webhook") return [];
  const keys: string[] = [];
  for (const file of subscription.secretFiles) {
    for (const line of linesOf(await read("secretFiles", file))) {
      parseSigningKey(line, where("secretFiles", file));
      keys.push(line);
    }
  }
  if (keys.length > MAX_SIGNING_KEYS) {
    throw new InvalidValueError(
      `subscription ${subscription.name}: secretFiles`,
      `hold ${keys.length} keys, at most ${MAX_SIGNING_KEYS} are allowed`,
    );
  }
  return keys;
}

function parseHeaders(text: string, field: string): readonly (readonly [string, string])[] {
  return linesOf(text).map((line, at) => {
    const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\t]+)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) {
      throw new InvalidValueError(field, `line ${at + 1} is no header, must be "Name: value"`);
    }
    if (RESERVED_HEADERS.test(name.toLowerCase())) {
      throw new InvalidValueError(field, `line ${at + 1} sets ${name}, which the relay sets itself`);
    }
    return [name.toLowerCase(), value.trim()];
  });
}

function linesOf(text: string): readonly string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

function checkCredentials({ url, headers }: SubscriptionSecrets, field: string): void {
  if (splitCredentials(url).authorization === "") return;
  if (!headers.some(([header]) => header === "authorization")) return;
  throw new InvalidValueError(
    field,
    "sets authorization, and the address in urlFile has credentials: leave one of them out",
  );
}

function checkTls(name: string, { ca, cert, key }: SubscriptionSecrets): void {
  const field = `subscription ${name}: tls`;
  try {
    if (ca !== "") parseCertificates(ca, "ca");
    if (cert === "") return;
    const [leaf] = parseCertificates(cert, "cert");
    const own = createPublicKey(createPrivateKey(key)).export({ type: "spki", format: "der" });
    if (leaf?.publicKey.export({ type: "spki", format: "der" }).equals(own) !== true) {
      throw new InvalidValueError(field, "key does not belong to cert");
    }
  } catch (error) {
    throw new InvalidValueError(field, `the files cannot be used, must be PEM: ${describeError(error)}`, {
      cause: error,
    });
  }
}
