import { createHash } from "node:crypto";

import type { Clock } from "../../lib/clock.ts";
import { SESSION_MS, SESSIONS_MAX } from "../limits.ts";
import type { TokenSet } from "../tokens.ts";
import type { Notice } from "./layout.ts";

/** What somebody who has logged in may do. */
export type SessionRole = "read" | "admin";

/** Somebody who has logged in. */
export interface Session {
  readonly role: SessionRole;
  /** stands in every form, so that no other site can send one */
  readonly csrf: string;
}

/** What sessions are kept with. */
export interface SessionsOptions {
  /** the tokens that are valid now */
  readonly tokens: () => TokenSet;
  readonly clock: Pick<Clock, "now">;
  /** a text that nobody can guess, fit for a cookie */
  readonly randomSecret: () => string;
}

interface Kept {
  readonly csrf: string;
  /** of the token that it was opened with */
  readonly fingerprint: string;
  readonly endsAt: number;
  notice: Notice | undefined;
}

/**
 * Who has logged in. Kept in memory: after a restart people log in again. A session is worth what its token is worth
 * now, so that one ends when its token is taken out of the file.
 */
export class Sessions {
  readonly #options: SessionsOptions;
  /** by the hash of the id, oldest first */
  readonly #kept = new Map<string, Kept>();

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  /**
   * Opens a session.
   * @returns its id, for the cookie; undefined when the token is none that may see the page
   */
  open(token: string): string | undefined {
    const { tokens, clock, randomSecret } = this.#options;
    const fingerprint = tokens().fingerprint(token);
    if (this.#roleOf(fingerprint) === undefined) return undefined;
    const id = randomSecret();
    this.#kept.set(keyOf(id), {
      csrf: randomSecret(),
      fingerprint,
      endsAt: clock.now() + SESSION_MS,
      notice: undefined,
    });
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > SESSIONS_MAX && oldest !== undefined) this.#kept.delete(oldest);
    return id;
  }

  /** The session of a cookie; undefined when it is over, or there never was one. */
  find(id: string): Session | undefined {
    const key = keyOf(id);
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    const role = this.#roleOf(kept.fingerprint);
    if (role !== undefined && kept.endsAt > this.#options.clock.now()) return { role, csrf: kept.csrf };
    this.#kept.delete(key);
    return undefined;
  }

  close(id: string): void {
    this.#kept.delete(keyOf(id));
  }

  /** Leaves a line for the next page of this session. */
  leaveNotice(id: string, notice: Notice): void {
    const kept = this.#kept.get(keyOf(id));
    if (kept !== undefined) kept.notice = notice;
  }

  /** Takes the line that was left, once. */
  takeNotice(id: string): Notice | undefined {
    const kept = this.#kept.get(keyOf(id));
    const notice = kept?.notice;
    if (kept !== undefined) kept.notice = undefined;
    return notice;
  }

  #roleOf(fingerprint: string): SessionRole | undefined {
    const roles = this.#options.tokens().rolesOfFingerprint(fingerprint);
    if (roles.has("admin")) return "admin";
    return roles.has("read") ? "read" : undefined;
  }
}

/** Looking for a hash tells nobody by its time how near a guess was. */
function keyOf(id: string): string {
  return createHash("sha256").update(id).digest("base64");
}
