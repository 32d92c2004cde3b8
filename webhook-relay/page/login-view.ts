import { html } from "hono/html";

import type { Html } from "./parts.ts";

/** The form to log in with. */
export function loginPage(problem: string, next: string): Html {
  return html`<div class="login">
    <div class="cards">
      <h1>Log in</h1>
      <p class="small soft">With the relay's read token, or the admin token to change things.</p>
      ${problem === "" ? "" : html`<p class="banner bad" role="alert">${problem}</p>`}
      <form method="post" action="/login">
        <input type="hidden" name="next" value="${next}" />
        <label
          >Token
          <input
            type="password"
            name="token"
            autocomplete="current-password"
            required
            autofocus
            maxlength="4096"
          />
        </label>
        <button class="main">Log in</button>
      </form>
    </div>
  </div>`;
}
