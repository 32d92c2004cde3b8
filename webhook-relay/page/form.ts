import { timingSafeEqual } from "node:crypto";

import type { Context } from "hono";

import type { Session } from "./session.ts";

/** The fields of a form that are text. */
export type Form = Readonly<Record<string, string | undefined>>;

/** Reads a form; what is no text is left out. */
export async function readForm(context: Context): Promise<Form> {
  const fields = await context.req.parseBody();
  return Object.fromEntries(
    Object.entries(fields).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}

/** Whether a form is one that we gave to this session, and no other site's. */
export function isOwnForm(form: Form, session: Session): boolean {
  const shown = Buffer.from(form["csrf"] ?? "");
  const expected = Buffer.from(session.csrf);
  return shown.length === expected.length && timingSafeEqual(shown, expected);
}
