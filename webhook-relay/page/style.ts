import { createHash } from "node:crypto";

/** The whole look of the page, in light and dark; small enough to go with every answer. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --bg: #f6f7f9; --card: #ffffff; --line: #dfe3e8; --text: #1a2129; --soft: #5a6672;
  --accent: #1f5fd0; --on-accent: #ffffff; --shade: #eef1f5;
  --good: #14713a; --good-bg: #dff3e6; --bad: #b3201f; --bad-bg: #fde4e2;
  --warn: #8a5300; --warn-bg: #fdeecb; --info: #1d57b8; --info-bg: #e1ebfc; --idle: #4d5863; --idle-bg: #e8ebef;
}
@media (prefers-color-scheme: dark) {
  :root {
    --bg: #0f1419; --card: #181f27; --line: #2c3641; --text: #e5e9ee; --soft: #9aa7b4;
    --accent: #7fb0ff; --on-accent: #0b1420; --shade: #222b35;
    --good: #6fd598; --good-bg: #12351f; --bad: #ff9b94; --bad-bg: #47191a;
    --warn: #f3c269; --warn-bg: #3d2c0a; --info: #93bbff; --info-bg: #16294a; --idle: #b1bcc7; --idle-bg: #2a343f;
  }
}
*, *::before, *::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; background: var(--bg); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif;
  overflow-wrap: anywhere;
}
h1, h2, h3, p, ul, ol, dl, dd, pre, figure { margin: 0; padding: 0; }
ul, ol { list-style: none; }
h1 { font-size: 1.375rem; line-height: 1.25; letter-spacing: -0.01em; }
h2 { font-size: 1.0625rem; line-height: 1.3; }
h3 { font-size: 1rem; line-height: 1.35; }
a { color: var(--accent); text-underline-offset: 0.15em; }
a:not(:hover) { text-decoration-color: color-mix(in srgb, currentColor 35%, transparent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
code, pre, .mono { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 0.8125rem; }
.soft { color: var(--soft); }
.small { font-size: 0.875rem; }

.top { background: var(--card); border-bottom: 1px solid var(--line); }
.top-in, main { max-width: 74rem; margin: 0 auto; padding: 0 1rem; }
.top-in { display: flex; flex-wrap: wrap; align-items: center; gap: 0 1.25rem; min-height: 3.5rem; }
.brand { display: flex; align-items: center; gap: 0.5rem; padding: 0.6rem 0; color: inherit; font-weight: 650; text-decoration: none; }
.brand svg { display: block; color: var(--accent); }
.nav { display: flex; gap: 0.25rem; order: 3; width: 100%; margin: 0 -0.5rem; padding-bottom: 0.4rem; }
.nav a { padding: 0.35rem 0.5rem; border-radius: 6px; color: var(--soft); text-decoration: none; }
.nav a:hover { background: var(--shade); }
.nav a[aria-current] { color: var(--text); font-weight: 600; background: var(--shade); }
.who { display: flex; align-items: center; gap: 0.75rem; margin-left: auto; }
main { padding-top: 1.25rem; padding-bottom: 4rem; }
.crumb { margin-bottom: 0.5rem; font-size: 0.875rem; }

.head { display: flex; flex-wrap: wrap; align-items: center; gap: 0.5rem 0.75rem; margin-bottom: 1rem; }
.head .end { margin-left: auto; }
.banner { display: flex; gap: 0.75rem; align-items: baseline; padding: 0.8rem 1rem; margin-bottom: 1rem; border-radius: 10px; font-weight: 600; }
.banner .small { font-weight: 400; }
.tiles { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 0.75rem; margin-bottom: 1.5rem; }
.tile { padding: 0.75rem 1rem; background: var(--card); border: 1px solid var(--line); border-radius: 10px; color: inherit; text-decoration: none; }
a.tile:hover { border-color: var(--accent); }
.tile b { display: block; font-size: 1.625rem; line-height: 1.2; font-weight: 650; font-variant-numeric: tabular-nums; }
.tile.bad b { color: var(--bad); }
.tile.warn b { color: var(--warn); }

.columns { display: grid; gap: 1.75rem; grid-template-columns: minmax(0, 1fr); }
.section + .section { margin-top: 1.75rem; }
.section-head { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0.25rem 0.75rem; margin-bottom: 0.6rem; }
.section-head .end { margin-left: auto; font-size: 0.875rem; }
.cards { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.card { padding: 0.85rem 1rem; }
.card + .card { border-top: 1px solid var(--line); }
.card-head { display: flex; flex-wrap: wrap; align-items: center; gap: 0.25rem 0.6rem; }
.card-head .end { margin-left: auto; }
.card > .card-head h3 { order: 1; width: 100%; }
.card.short > .card-head h3 { order: 0; width: auto; }
.card-foot { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: 0.5rem 1rem; margin-top: 0.15rem; }
.card-foot button { min-height: 2.1rem; padding: 0.2rem 0.7rem; }
.strong { color: var(--bad); font-weight: 600; }
.card h3 a { color: inherit; text-decoration: none; }
.card h3 a:hover { text-decoration: underline; }
.line { display: flex; flex-wrap: wrap; gap: 0 0.9rem; color: var(--soft); font-size: 0.875rem; }
.message { margin-top: 0.25rem; font-size: 0.9375rem; }
.empty { padding: 1.75rem 1rem; text-align: center; color: var(--soft); }
.empty b { display: block; color: var(--text); }

.badge { display: inline-block; padding: 0.05rem 0.5rem; border-radius: 99px; font-size: 0.8125rem; font-weight: 600; white-space: nowrap; }
.good { color: var(--good); background: var(--good-bg); }
.bad { color: var(--bad); background: var(--bad-bg); }
.warn { color: var(--warn); background: var(--warn-bg); }
.info { color: var(--info); background: var(--info-bg); }
.idle { color: var(--idle); background: var(--idle-bg); }
.tile.good, .tile.bad, .tile.warn, .tile.idle { background: var(--card); color: inherit; }
.banner.good, .banner.bad, .banner.warn { border: 1px solid color-mix(in srgb, currentColor 30%, transparent); }

.timeline { position: relative; padding-left: 1.4rem; }
.timeline::before { content: ""; position: absolute; left: 0.4rem; top: 0.6rem; bottom: 0.6rem; width: 2px; background: var(--line); }
.step { position: relative; padding-bottom: 1.25rem; }
.step:last-child { padding-bottom: 0; }
.step::before { content: ""; position: absolute; left: -1.4rem; top: 0.4rem; width: 0.875rem; height: 0.875rem; border-radius: 50%; background: var(--dot); border: 3px solid var(--bg); box-shadow: 0 0 0 1px var(--dot); }
.dot-good { --dot: var(--good); } .dot-bad { --dot: var(--bad); } .dot-warn { --dot: var(--warn); }
.dot-info { --dot: var(--info); } .dot-idle { --dot: var(--idle); }
.chips { display: flex; flex-wrap: wrap; gap: 0.4rem; margin-top: 0.5rem; }
.chip { display: inline-flex; align-items: center; gap: 0.4rem; padding: 0.15rem 0.25rem 0.15rem 0.6rem; border: 1px solid var(--line); border-radius: 99px; background: var(--card); color: inherit; font-size: 0.8125rem; text-decoration: none; }
.chip:hover { border-color: var(--accent); }

.facts { display: grid; gap: 0.6rem 1.5rem; grid-template-columns: minmax(0, 1fr); padding: 0.85rem 1rem; }
.facts dt { color: var(--soft); font-size: 0.8125rem; }
details { margin-top: 0.5rem; font-size: 0.875rem; }
summary { color: var(--soft); cursor: pointer; }
pre { margin-top: 0.4rem; padding: 0.7rem 0.8rem; max-height: 24rem; overflow: auto; white-space: pre-wrap; background: var(--shade); border-radius: 8px; }

form { display: inline; }
.bar, .filter, .login form { display: flex; flex-wrap: wrap; align-items: end; gap: 0.6rem; }
.bar { margin-bottom: 1.25rem; }
.bar input { width: 12rem; min-width: 0; flex: 0 1 auto; }
.bar form { display: flex; align-items: end; gap: 0.4rem; }
label { font-size: 0.875rem; color: var(--soft); }
input, select, button, .button { font: inherit; font-size: 0.9375rem; min-height: 2.4rem; padding: 0.35rem 0.8rem; border: 1px solid var(--line); border-radius: 8px; background: var(--card); color: var(--text); }
input, select { display: block; width: 100%; }
button, .button { display: inline-flex; align-items: center; font-weight: 600; cursor: pointer; white-space: nowrap; text-decoration: none; }
button:hover, .button:hover { border-color: var(--accent); }
button.main { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
button.main:hover { filter: brightness(1.08); }
button.plain { border-color: transparent; background: none; color: var(--soft); padding: 0.35rem 0.4rem; }
button.plain:hover { color: var(--text); }
.filter { margin-bottom: 1rem; }
.filter label { display: block; flex: 1 1 9rem; }
.more { margin-top: 1rem; }

.login { max-width: 24rem; margin: 8vh auto 0; }
.login .cards { padding: 1.5rem; }
.login h1 { margin-bottom: 0.35rem; }
.login label { display: block; width: 100%; margin-top: 1rem; }
.login button { width: 100%; justify-content: center; margin-top: 0.4rem; }
.login .banner { margin: 1rem 0 0; font-size: 0.9375rem; }

@media (min-width: 44rem) {
  .card > .card-head h3 { order: 0; width: auto; }
  .nav { order: 0; width: auto; margin: 0; padding: 0; }
  .tiles { grid-template-columns: repeat(4, minmax(0, 1fr)); }
  .facts { grid-template-columns: repeat(2, minmax(0, 1fr)); }
}
@media (min-width: 64rem) {
  .columns.wide { grid-template-columns: minmax(0, 1fr) 22rem; }
  .facts { grid-template-columns: repeat(3, minmax(0, 1fr)); }
}
`;

/** Content-Security-Policy of every page: this one style, our own icon, our own forms, and nothing else. */
export const PAGE_POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash("sha256").update(STYLE).digest("base64")}'`,
  "img-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join("; ");
