/** Keeps the certificates and tokens of a release in its Secrets: makes what is missing, renews what is old. */

import { isAlreadyExists, isConflict } from "../kube/api-error.ts";
import { readAuthorities, stepAuthorities, writeAuthorities, type Authorities } from "./authorities.ts";
import { stepLeaf } from "./leaf.ts";
import { CONFLICTS_MAX, TOKEN_BYTES } from "./limits.ts";
import type { SecretStore } from "./secret-store.ts";

/** Parties that a Secret is made for. */
export const PARTIES = ["controller", "agent", "relay", "webhook", "operator"] as const;
export type Party = (typeof PARTIES)[number];

/** What the relay's tokens are for: posting events, reading, changing things. */
const TOKENS = ["ingest", "read", "admin"];

/** Which Secrets, and what is in them. */
export interface EnsureOptions {
  readonly store: SecretStore;
  /** where the agents' Secret is */
  readonly agentStore: SecretStore;
  /** of the release's objects; Secrets are called after it */
  readonly name: string;
  readonly namespace: string;
  readonly parties: readonly Party[];
  /** lifetime of the parties' certificates */
  readonly days: number;
  /** the relay's tokens, too */
  readonly tokens: boolean;
  /** milliseconds since 1970 */
  readonly now: () => number;
  readonly randomBytes: (size: number) => Uint8Array;
  /** told what became of each Secret, never what is in it */
  readonly say: (line: string) => void;
}

/** The Secret of the CAs. */
export function authoritySecret(name: string): string {
  return `${name}-tls-ca`;
}

/** The Secret of a party: tls.crt, tls.key, ca.crt. */
export function partySecret(name: string, party: Party): string {
  return `${name}-tls-${party}`;
}

/** The Secret of the relay's tokens: ingest, read, admin. */
export function tokenSecret(name: string): string {
  return `${name}-relay-tokens`;
}

/**
 * Looks at every Secret once and makes it what it should be; a second run right after it changes nothing.
 * @returns the CAs that are trusted, PEM; "" when no party wants a certificate
 * @throws ApiError; Error when a Secret cannot be used
 */
export async function ensureSecrets(options: EnsureOptions): Promise<string> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await ensureOnce(options);
    } catch (error) {
      // another run of this command was faster: what it wrote holds
      if (tries >= CONFLICTS_MAX || !(isConflict(error) || isAlreadyExists(error))) throw error;
    }
  }
}

/** Removes every Secret that this command has made, and says which it has found to be of somebody else. */
export async function removeSecrets({
  store,
  agentStore,
  name,
  say,
}: Pick<EnsureOptions, "store" | "agentStore" | "name" | "say">): Promise<void> {
  const ofParties = PARTIES.map((party) => ({
    secret: partySecret(name, party),
    from: party === "agent" ? agentStore : store,
  }));
  const others = [authoritySecret(name), tokenSecret(name)].map((secret) => ({ secret, from: store }));
  for (const { secret, from } of [...ofParties, ...others]) {
    say(`${secret}: ${await from.remove(secret)}`);
  }
}

async function ensureOnce(options: EnsureOptions): Promise<string> {
  if (options.tokens) await ensureTokens(options);
  if (options.parties.length === 0) return "";
  const authorities = await ensureAuthorities(options);
  for (const party of options.parties) await ensureParty(options, party, authorities);
  return authorities.bundle.join("");
}

async function ensureAuthorities({ store, name, now, say }: EnsureOptions): Promise<Authorities> {
  const secret = authoritySecret(name);
  const old = await store.read(secret);
  const current = old === undefined ? undefined : readAuthorities(old.data, `secret ${secret}`);
  const { authorities, done } = await stepAuthorities(current, now());
  if (done !== undefined) await store.write(secret, "Opaque", old, writeAuthorities(authorities));
  say(`${secret}: ${done ?? "good"}`);
  return authorities;
}

async function ensureParty(options: EnsureOptions, party: Party, authorities: Authorities): Promise<void> {
  const { name, days, now, say } = options;
  const store = party === "agent" ? options.agentStore : options.store;
  const secret = partySecret(name, party);
  const old = await store.read(secret);
  const wanted = { dnsNames: dnsNames(options, party), days };
  const { data, done } = await stepLeaf(old?.data, wanted, authorities, now());
  if (done !== undefined) await store.write(secret, "kubernetes.io/tls", old, data);
  say(`${secret}: ${done ?? "good"}`);
}

/** The webhook's name is that of its Service alone: the API server verifies it, and it is no party to agents. */
function dnsNames({ name, namespace }: EnsureOptions, party: Party): readonly string[] {
  if (party === "webhook") return serviceNames(`${name}-webhook`, namespace);
  const role = `tote-${party}`;
  const service = `${name}-relay`;
  if (party !== "relay") return [role];
  // a Service that is called as its role is: one name is enough
  return [...new Set([role, ...serviceNames(service, namespace)])];
}

function serviceNames(service: string, namespace: string): readonly string[] {
  return [
    `${service}.${namespace}.svc`,
    `${service}.${namespace}`,
    `${service}.${namespace}.svc.cluster.local`,
  ];
}

async function ensureTokens({ store, name, randomBytes, say }: EnsureOptions): Promise<void> {
  const secret = tokenSecret(name);
  const old = await store.read(secret);
  const missing = TOKENS.filter((token) => (old?.data[token] ?? "") === "");
  if (missing.length > 0) {
    const made = missing.map(
      (token) => [token, Buffer.from(randomBytes(TOKEN_BYTES)).toString("hex")] as const,
    );
    await store.write(secret, "Opaque", old, { ...old?.data, ...Object.fromEntries(made) });
  }
  say(`${secret}: ${missing.length === 0 ? "good" : `made ${missing.join(", ")}`}`);
}
