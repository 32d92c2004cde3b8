import { createHash, timingSafeEqual } from "node:crypto";

import { FileError, type ReadText } from "./files.ts";
import type { Loaded } from "./follow.ts";

/** What the holder of a token may do: post events, read lists and the page, or change things. */
export const TOKEN_ROLES = ["ingest", "read", "admin"] as const;
export type TokenRole = (typeof TOKEN_ROLES)[number];

/** The file of each role; undefined: nobody has the role. */
export type TokenFiles = Readonly<Record<TokenRole, string | undefined>>;

/** Values that one file may hold, so that a token can be changed without a gap. */
const MAX_VALUES = 2;
/** What is shorter can be found by trying: whoever reaches the port may try. */
const MIN_CHARS = 16;

/** Tokens as they are now. */
export class TokenSet {
  readonly #known: readonly { readonly role: TokenRole; readonly digest: Uint8Array }[];
  /** for the redactor */
  readonly secrets: readonly string[];

  constructor(values: readonly (readonly [role: TokenRole, token: string])[]) {
    this.#known = values.map(([role, token]) => ({ role, digest: digestOf(token) }));
    this.secrets = values.map(([, token]) => token);
  }

  /** What the holder of a token may do; empty for one that nobody knows. Takes the same time whatever the token. */
  rolesOf(token: string): ReadonlySet<TokenRole> {
    return this.#rolesOfDigest(digestOf(token));
  }

  /** What tells a token from others without being one. */
  fingerprint(token: string): string {
    return digestOf(token).toString("hex");
  }

  /** {@link rolesOf}, for who has kept a {@link fingerprint} only. */
  rolesOfFingerprint(fingerprint: string): ReadonlySet<TokenRole> {
    return this.#rolesOfDigest(Buffer.from(fingerprint, "hex"));
  }

  #rolesOfDigest(digest: Uint8Array): ReadonlySet<TokenRole> {
    const matching = this.#known.filter((known) => timingSafeEqual(known.digest, digest));
    return new Set(matching.map(({ role }) => role));
  }
}

/**
 * Reads the files of tokens: one value a line, two at most.
 * @throws FileError that names the file
 */
export async function loadTokens(
  files: TokenFiles,
  readText: ReadText,
  signal: AbortSignal,
): Promise<Loaded<TokenSet>> {
  const values: (readonly [TokenRole, string])[] = [];
  for (const role of TOKEN_ROLES) {
    const file = files[role];
    if (file === undefined) continue;
    for (const token of parseTokens(await readText(file, signal), file)) values.push([role, token]);
  }
  return { fingerprint: JSON.stringify(values), value: new TokenSet(values) };
}

function parseTokens(text: string, file: string): readonly string[] {
  const tokens = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  if (tokens.length === 0) throw new FileError(`${file} holds no token, must hold one or two, a line each`);
  if (tokens.length > MAX_VALUES) {
    throw new FileError(
      `${file} holds ${tokens.length} tokens, at most ${MAX_VALUES} are allowed, a line each`,
    );
  }
  // what else there may be cannot stand in a header
  if (tokens.some((token) => !/^[\x21-\x7e]+$/.test(token))) {
    throw new FileError(
      `${file} holds a token with spaces or other characters that cannot stand in a header`,
    );
  }
  const shortest = Math.min(...tokens.map(({ length }) => length));
  if (shortest < MIN_CHARS) {
    const advice = "openssl rand -hex 32 makes a good one";
    throw new FileError(
      `${file} holds a token of ${shortest} characters, at least ${MIN_CHARS} are needed: ${advice}`,
    );
  }
  return tokens;
}

function digestOf(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
