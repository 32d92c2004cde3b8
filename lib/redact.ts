/** What stands in the log instead of a secret. */
export const REDACTED = "[redacted]";

const SECRET_WORDS: ReadonlySet<string> = new Set([
  "token",
  "tokens",
  "secret",
  "secrets",
  "password",
  "passwords",
  "grant",
  "grants",
  "authorization",
  "key",
  "keys",
]);

const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----[^]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g;
const COMPACT_JWS = /\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*/g;

/**
 * Whether a field of this name may hold a secret: its last word is token, secret, password, grant, authorization or key
 * ("webhookToken", "export_grant", "Authorization").
 */
export function isSecretName(name: string): boolean {
  const words = name
    .replaceAll(/([a-z0-9])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .split(/[^a-z0-9]+/);
  return SECRET_WORDS.has(words.findLast((word) => word !== "") ?? "");
}

/** Replaces private keys and signed tokens inside a text, wherever it came from. */
export function redactText(text: string): string {
  return text.replaceAll(PRIVATE_KEY, REDACTED).replaceAll(COMPACT_JWS, REDACTED);
}
