import type { Context } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";

import { SESSION_MS } from "../limits.ts";
import type { Session, Sessions } from "./session.ts";

/** A browser that has logged in. */
export interface Visitor {
  /** what its cookie holds */
  readonly id: string;
  readonly session: Session;
}

/** Whose browser it is; undefined when it must log in. */
export function visitorOf(context: Context, sessions: Sessions): Visitor | undefined {
  const id = getCookie(context, cookieName(context)) ?? "";
  const session = sessions.find(id);
  return session === undefined ? undefined : { id, session };
}

/** Has the browser remember a session, and show it to us alone. */
export function remember(context: Context, id: string): void {
  setCookie(context, cookieName(context), id, {
    httpOnly: true,
    sameSite: "Strict",
    secure: isSecure(context),
    path: "/",
    maxAge: SESSION_MS / 1000,
  });
}

/** Has the browser forget its session. */
export function forget(context: Context): void {
  deleteCookie(context, cookieName(context), { path: "/", secure: isSecure(context) });
}

/** The prefix has browsers refuse one that came over plain HTTP or from another host (RFC 6265bis). */
function cookieName(context: Context): string {
  return isSecure(context) ? "__Host-tote-relay" : "tote-relay";
}

/** Whether the browser speaks TLS, to us or to a proxy that says so; who lies about it harms only itself. */
function isSecure(context: Context): boolean {
  return (
    new URL(context.req.url).protocol === "https:" ||
    /^https\b/i.test(context.req.header("x-forwarded-proto") ?? "")
  );
}

/** A place on this page to go on to; "/" for anything else. */
export function placeOf(text: unknown): string {
  return typeof text === "string" && /^\/(?!\/)[\w\-./?=&%:*+~!'()@,;$]*$/.test(text) ? text : "/";
}
