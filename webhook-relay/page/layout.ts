import { html, raw } from "hono/html";

import type { Html } from "./parts.ts";
import type { Session } from "./session.ts";
import { STYLE } from "./style.ts";
import type { Tone } from "./words.ts";

/** One line about what a button has done. */
export interface Notice {
  readonly tone: Tone;
  readonly text: string;
}

/** What a page is made of. */
export interface PageParts {
  readonly title: string;
  /** undefined: nobody has logged in */
  readonly session: Session | undefined;
  /** path of the entry of the navigation that this belongs to */
  readonly section?: string;
  readonly notice?: Notice | undefined;
  readonly body: Html;
  /** seconds after which the browser asks again; undefined: never */
  readonly refreshS?: number | undefined;
}

const SECTIONS = [
  { path: "/", name: "Now" },
  { path: "/incidents", name: "Incidents" },
  { path: "/deliveries", name: "Deliveries" },
] as const;

/** An arrow out of a box. */
const MARK = `<svg width="22" height="22" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2.2" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d="M4 11v7a2 2 0 0 0 2 2h12a2 2 0 0 0 2-2v-7"/><path d="M8 7l4-4 4 4"/><path d="M12 3v12"/></svg>`;

/** The icon of the page, for the browser's tab. */
export const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="#3b7dea" stroke-width="2.4" stroke-linecap="round" stroke-linejoin="round"><path d="M4 11v7a2 2 0 0 0 2 2h12a2 2 0 0 0 2-2v-7"/><path d="M8 7l4-4 4 4"/><path d="M12 3v12"/></svg>`;

/** A whole document around the body of a page. */
export function page({ title, session, section = "", notice, body, refreshS }: PageParts): Html {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="robots" content="noindex" />
        ${refreshS === undefined ? "" : html`<meta http-equiv="refresh" content="${refreshS}" />`}
        <title>${title} · tote relay</title>
        <link rel="icon" href="/icon.svg" type="image/svg+xml" />
        ${raw(`<style>${STYLE}</style>`)}
      </head>
      <body>
        <header class="top">
          <div class="top-in">
            <a class="brand" href="/">${raw(MARK)} tote relay</a>
            ${session === undefined ? "" : navigation(session, section)}
          </div>
        </header>
        <main>
          ${notice === undefined ? "" : html`<p class="banner ${notice.tone}" role="status">${notice.text}</p>`}
          ${body}
        </main>
      </body>
    </html>`;
}

function navigation(session: Session, section: string): Html {
  const entries = SECTIONS.map(({ path, name }) =>
    path === section
      ? html`<a href="${path}" aria-current="page">${name}</a>`
      : html`<a href="${path}">${name}</a>`,
  );
  return html`<nav class="nav" aria-label="Sections">${entries}</nav>
    <div class="who">
      <span class="badge idle">${session.role === "admin" ? "admin" : "read only"}</span>
      <form method="post" action="/logout">
        <input type="hidden" name="csrf" value="${session.csrf}" /><button class="plain">Log out</button>
      </form>
    </div>`;
}
