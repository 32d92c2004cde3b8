import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  sign,
  type KeyObject,
} from "node:crypto";

import { InvalidValueError } from "../lib/errors.ts";

/** A key to sign with; several at once let a receiver change keys without losing a message. */
export type SigningKey =
  /** HMAC-SHA256 with a secret that both sides have */
  | { readonly scheme: "v1"; readonly secret: KeyObject }
  /** ed25519; receivers need only the public key */
  | { readonly scheme: "v1a"; readonly privateKey: KeyObject; readonly publicKey: Uint8Array };

const SECRET_PREFIX = "whsec_";
const PRIVATE_PREFIX = "whsk_";
const PUBLIC_PREFIX = "whpk_";

/** Length of a shared secret, in bytes (Standard Webhooks 1.0.0, "Signature scheme"). */
const SECRET_MIN_BYTES = 24;
const SECRET_MAX_BYTES = 64;

/** Length of an ed25519 seed, and of the public key, in bytes (RFC 8032). */
const ED25519_BYTES = 32;
/** What stands before the seed in PKCS #8, and before the public key in SPKI (RFC 8410). */
const PKCS8_HEAD = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI_HEAD_BYTES = 12;

/**
 * Reads a signing key: "whsec_" and base64 of 24 to 64 random bytes, or "whsk_" and base64 of an ed25519 private key (32
 * bytes, or 64 with the public key behind it).
 * @param field how errors call it; the key itself is never part of an error
 * @throws InvalidValueError
 */
export function parseSigningKey(text: string, field: string): SigningKey {
  if (text.startsWith(SECRET_PREFIX)) {
    const secret = decodeBase64(text.slice(SECRET_PREFIX.length));
    if (secret !== undefined && secret.length >= SECRET_MIN_BYTES && secret.length <= SECRET_MAX_BYTES) {
      return { scheme: "v1", secret: createSecretKey(secret) };
    }
    const found = secret === undefined ? "is not base64" : `has ${secret.length} bytes`;
    throw new InvalidValueError(
      field,
      `the secret after ${SECRET_PREFIX} ${found}, must be base64 of ${SECRET_MIN_BYTES} to ${SECRET_MAX_BYTES} bytes`,
    );
  }
  if (text.startsWith(PRIVATE_PREFIX)) return parseEd25519(text.slice(PRIVATE_PREFIX.length), field);
  throw new InvalidValueError(
    field,
    `holds no signing key: it must begin with ${SECRET_PREFIX} (a shared secret) or ${PRIVATE_PREFIX} (an ed25519 key)`,
  );
}

/** The public key as receivers configure it: "whpk_" and base64. */
export function formatPublicKey(publicKey: Uint8Array): string {
  return `${PUBLIC_PREFIX}${Buffer.from(publicKey).toString("base64")}`;
}

/** What is signed. */
export interface SignedMessage {
  /** `webhook-id`: the same for every attempt */
  readonly id: string;
  /** `webhook-timestamp`: of the attempt, in seconds since 1970 */
  readonly timestamp: number;
  /** the very text that is sent */
  readonly body: string;
}

/**
 * The value of `webhook-signature`, one signature per key (Standard Webhooks 1.0.0).
 * @returns "v1,BASE64 v1a,BASE64"; "" without keys
 */
export function signMessage(message: SignedMessage, keys: readonly SigningKey[]): string {
  const content = `${message.id}.${message.timestamp}.${message.body}`;
  return keys.map((key) => `${key.scheme},${signature(key, content)}`).join(" ");
}

function signature(key: SigningKey, content: string): string {
  if (key.scheme === "v1") return createHmac("sha256", key.secret).update(content).digest("base64");
  return sign(null, Buffer.from(content), key.privateKey).toString("base64");
}

function parseEd25519(base64: string, field: string): SigningKey {
  const raw = decodeBase64(base64);
  const refuse = (why: string): InvalidValueError =>
    new InvalidValueError(
      field,
      `the key after ${PRIVATE_PREFIX} ${why}, must be base64 of an ed25519 private key: 32 bytes, or 64 with the public key`,
    );
  if (raw === undefined) throw refuse("is not base64");
  if (raw.length !== ED25519_BYTES && raw.length !== 2 * ED25519_BYTES) {
    throw refuse(`has ${raw.length} bytes`);
  }
  const seed = raw.subarray(0, ED25519_BYTES);
  const privateKey = createPrivateKey({
    key: Buffer.concat([PKCS8_HEAD, seed]),
    format: "der",
    type: "pkcs8",
  });
  const publicKey = createPublicKey(privateKey)
    .export({ format: "der", type: "spki" })
    .subarray(SPKI_HEAD_BYTES);
  const given = raw.subarray(ED25519_BYTES);
  if (given.length > 0 && !given.equals(publicKey))
    throw refuse("has a public part that does not belong to it");
  return { scheme: "v1a", privateKey, publicKey };
}

function decodeBase64(text: string): Buffer | undefined {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return undefined;
  return Buffer.from(text, "base64");
}
