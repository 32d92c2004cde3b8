import { html } from "hono/html";

import type { Session } from "./session.ts";
import { fromNow, type Label } from "./words.ts";

/** A piece of a page; everything that is put into it is escaped. */
export type Html = ReturnType<typeof html>;

/** What every view is made for. */
export interface ViewContext {
  readonly session: Session;
  /** milliseconds since 1970 */
  readonly now: number;
  /** path and query of this page, to come back to */
  readonly here: string;
}

/** A state, in words and colour. */
export function badge({ text, tone }: Label): Html {
  return html`<span class="badge ${tone}">${text}</span>`;
}

/** A time as seen from now; the exact one shows when pointed at. */
export function when(time: number, now: number): Html {
  const exact = new Date(time).toISOString();
  return html`<time datetime="${exact}" title="${exact}">${fromNow(time, now)}</time>`;
}

/** What stands where a list has nothing. */
export function empty(title: string, text: string): Html {
  return html`<div class="cards empty"><b>${title}</b> ${text}</div>`;
}

/** A name and its value among others; nothing when there is no value. */
export function fact(name: string, value: Html | string | number | undefined): Html | "" {
  if (value === undefined || value === "") return "";
  return html`<div>
    <dt>${name}</dt>
    <dd>${value}</dd>
  </div>`;
}

/** What a button asks for. */
export interface ActionButton {
  /** the last part of its path, see `actionRoutes` */
  readonly action: string;
  readonly label: string;
  /** what it is about, as hidden fields */
  readonly fields: Readonly<Record<string, string | number>>;
  readonly isMain?: boolean;
  /** asks for a line of text, too */
  readonly asks?: { readonly name: string; readonly label: string };
}

/** A button that changes something; nothing for who may only read. */
export function actionButton({ session, here }: ViewContext, button: ActionButton): Html | "" {
  if (session.role !== "admin") return "";
  const { action, label, fields, isMain = false, asks } = button;
  const hidden = Object.entries({ ...fields, csrf: session.csrf, back: here });
  const question =
    asks === undefined
      ? ""
      : html`<input
          name="${asks.name}"
          aria-label="${asks.label}"
          placeholder="${asks.label}"
          maxlength="200"
        />`;
  return html`<form method="post" action="/actions/${action}">
    ${hidden.map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}" />`)}
    ${question}
    <button class="${isMain ? "main" : ""}">${label}</button>
  </form>`;
}

/** A link to the next page of a list; nothing on the last. */
export function older(
  path: string,
  query: Readonly<Record<string, string>>,
  next: string | undefined,
): Html | "" {
  if (next === undefined) return "";
  const parameters = new URLSearchParams({ ...query, cursor: next });
  return html`<p class="more"><a class="button" href="${path}?${parameters.toString()}">Older</a></p>`;
}
