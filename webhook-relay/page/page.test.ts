import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { waitFor } from "../../test/harness/wait.ts";
import { testEvent } from "../event/testing.ts";
import { LOGIN_TRIES } from "../limits.ts";
import { startRig, TEST_TOKENS, type Rig, type RigOptions } from "../testing/relay-rig.ts";

const CONFIG = `subscriptions:
  - {name: one, type: webhook, url: "http://127.0.0.1:1/", secretFiles: key, allowAddresses: 127.0.0.1, retry: {schedule: [0s]}}`;

const SAME_SITE = { "sec-fetch-site": "same-origin" };

const rigOf = (t: TestContext, more: Partial<RigOptions> = {}): Promise<Rig> =>
  startRig(t, { config: CONFIG, ...more });

/** Sends a form as a browser does. */
async function send(
  rig: Rig,
  path: string,
  fields: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>> = SAME_SITE,
): Promise<Response> {
  return await rig.relay.app.request(path, { method: "POST", body: new URLSearchParams(fields), headers });
}

/** Logs in; answers the cookie. */
async function logIn(rig: Rig, token: string): Promise<string> {
  const answer = await send(rig, "/login", { token });
  assert.equal(answer.status, 303);
  const [cookie = ""] = (answer.headers.get("set-cookie") ?? "").split(";");
  return cookie;
}

async function look(
  rig: Rig,
  path: string,
  cookie: string,
): Promise<{ readonly status: number; readonly text: string; readonly csrf: string }> {
  const answer = await rig.relay.app.request(path, { headers: { cookie } });
  const text = await answer.text();
  return { status: answer.status, text, csrf: /name="csrf" value="([^"]+)"/.exec(text)?.[1] ?? "" };
}

async function deadLetter(rig: Rig): Promise<void> {
  await rig.post(testEvent());
  await waitFor("a dead letter", () => rig.relay.control.delivery(1)?.state === "dead");
}

test("who has not logged in sees the form, and afterwards what was asked for", async (t) => {
  const rig = await rigOf(t);
  const first = await rig.relay.app.request("/deliveries?state=dead");
  assert.equal(first.status, 303);
  assert.equal(first.headers.get("location"), "/login?next=%2Fdeliveries%3Fstate%3Ddead");
  const form = await rig.relay.app.request("/login?next=%2Fdeliveries%3Fstate%3Ddead");
  assert.match(await form.text(), /name="next" value="\/deliveries\?state=dead"/);
  const answer = await send(rig, "/login", { token: TEST_TOKENS.read, next: "/deliveries?state=dead" });
  assert.equal(answer.headers.get("location"), "/deliveries?state=dead");
});

test("nobody is sent to another site, however the place is written", async (t) => {
  const rig = await rigOf(t);
  for (const next of [
    "https://evil.example/",
    "//evil.example",
    "/\\evil.example",
    "/\t/evil.example",
    "javascript:1",
  ]) {
    const answer = await send(rig, "/login", { token: TEST_TOKENS.read, next });
    assert.equal(answer.headers.get("location"), "/", JSON.stringify(next));
  }
});

test("the cookie holds no token, scripts and other sites do not get it, and over TLS it stays there", async (t) => {
  const rig = await rigOf(t);
  const plain = (await send(rig, "/login", { token: TEST_TOKENS.admin })).headers.get("set-cookie") ?? "";
  assert.match(plain, /^tote-relay=[\w-]{43}; /);
  assert.match(plain, /HttpOnly/);
  assert.match(plain, /SameSite=Strict/);
  assert.match(plain, /Path=\//);
  assert.doesNotMatch(plain, /Secure/);
  assert.doesNotMatch(plain, new RegExp(TEST_TOKENS.admin));
  const url = "https://relay.example/login";
  const overTls = await send(rig, url, { token: TEST_TOKENS.admin });
  assert.match(overTls.headers.get("set-cookie") ?? "", /^__Host-tote-relay=.*; Secure/);
  const behindProxy = await send(
    rig,
    "/login",
    { token: TEST_TOKENS.admin },
    { ...SAME_SITE, "x-forwarded-proto": "https" },
  );
  assert.match(behindProxy.headers.get("set-cookie") ?? "", /^__Host-tote-relay=.*; Secure/);
});

test("a wrong token and the token for events do not let in", async (t) => {
  const rig = await rigOf(t);
  for (const token of ["wrong", "", TEST_TOKENS.ingest]) {
    const answer = await send(rig, "/login", { token });
    assert.equal(answer.status, 401, token);
    assert.equal(answer.headers.get("set-cookie"), null);
    assert.match(await answer.text(), /neither the read token nor the admin token/);
  }
});

test("whoever tries too many tokens must wait, and right ones do not count", async (t) => {
  let peer = "10.0.0.1";
  const rig = await rigOf(t, { peerOf: () => peer });
  for (let count = 0; count < 2 * LOGIN_TRIES; count += 1) await logIn(rig, TEST_TOKENS.read);
  for (let count = 0; count < LOGIN_TRIES; count += 1) {
    assert.equal((await send(rig, "/login", { token: `guess-${count}` })).status, 401);
  }
  const refused = await send(rig, "/login", { token: TEST_TOKENS.admin });
  assert.equal(refused.status, 429);
  assert.ok(Number(refused.headers.get("retry-after")) > 0);
  peer = "10.0.0.2";
  assert.equal(
    (await send(rig, "/login", { token: TEST_TOKENS.admin })).status,
    303,
    "others are not held up",
  );
  assert.ok(!rig.log.some((line) => line.includes("guess-")), "what was tried is not logged");
});

test("a button does what it says only with the token of its own form", async (t) => {
  const rig = await rigOf(t);
  await deadLetter(rig);
  const cookie = await logIn(rig, TEST_TOKENS.admin);
  const other = await logIn(rig, TEST_TOKENS.admin);
  const { csrf, text } = await look(rig, "/", cookie);
  assert.match(text, /action="\/actions\/redeliver"/);
  const fields = { id: "1", back: "/deliveries/1" };
  const own = { ...SAME_SITE, cookie };
  for (const [what, form, headers] of [
    ["without", fields, own],
    ["with a made up one", { ...fields, csrf: "x".repeat(csrf.length) }, own],
    ["with another session's", { ...fields, csrf: (await look(rig, "/", other)).csrf }, own],
    ["from another site", { ...fields, csrf }, { cookie, "sec-fetch-site": "cross-site" }],
    ["from nowhere", { ...fields, csrf }, { cookie }],
  ] as const) {
    assert.equal((await send(rig, "/actions/redeliver", form, headers)).status, 403, what);
  }
  assert.equal(rig.relay.control.delivery(1)?.isReplay, false);
  const done = await send(rig, "/actions/redeliver", { ...fields, csrf }, own);
  assert.deepEqual([done.status, done.headers.get("location")], [303, "/deliveries/1"]);
  assert.equal(rig.relay.control.delivery(1)?.isReplay, true);
  assert.match((await look(rig, "/deliveries/1", cookie)).text, /Delivery 1 is sent again\./);
  assert.doesNotMatch((await look(rig, "/deliveries/1", cookie)).text, /is sent again\./, "it is said once");
});

test("who may only read sees everything but buttons, and cannot press them either", async (t) => {
  const rig = await rigOf(t);
  await deadLetter(rig);
  const cookie = await logIn(rig, TEST_TOKENS.read);
  for (const path of ["/", "/deliveries", "/deliveries/1", "/subscriptions/one", "/incidents"]) {
    const { status, text } = await look(rig, path, cookie);
    assert.equal(status, 200, path);
    assert.doesNotMatch(text, /\/actions\//, path);
  }
  const { csrf } = await look(rig, "/", cookie);
  const pressed = await send(rig, "/actions/redeliver", { id: "1", csrf }, { ...SAME_SITE, cookie });
  assert.equal(pressed.status, 403);
});

test("every button does its work and says so", async (t) => {
  const rig = await rigOf(t);
  await deadLetter(rig);
  const cookie = await logIn(rig, TEST_TOKENS.admin);
  const { csrf } = await look(rig, "/", cookie);
  const press = async (action: string, fields: Readonly<Record<string, string>>): Promise<string> => {
    await send(rig, `/actions/${action}`, { ...fields, csrf, back: "/" }, { ...SAME_SITE, cookie });
    const { text } = await look(rig, "/", cookie);
    return /role="status">([^<]*)</.exec(text)?.[1] ?? "";
  };
  assert.match(await press("disable", { name: "one", reason: "for a while" }), /^one is off/);
  assert.equal(rig.relay.control.subscriptions()[0]?.health.disabledReason, "for a while");
  assert.match((await look(rig, "/subscriptions/one", cookie)).text, /Off: for a while/);
  assert.match(
    await press("replay", { subscription: "one" }),
    /^Replay 1 sends the dead letters of one again/,
  );
  assert.equal(rig.relay.control.replay(1)?.query.state, "dead");
  assert.match(await press("test", { name: "one" }), /is a test, it is on its way/);
  assert.match(await press("enable", { name: "one" }), /^one is on again/);
  assert.match(await press("cancel-replay", { id: "99" }), /does not run any more/);
  assert.match(await press("redeliver", { id: "99" }), /no such delivery/);
  assert.match(await press("enable", { name: "none" }), /no subscription &quot;none&quot;/);
  assert.equal(await press("unknown", {}), "");
});

test("after logging out the cookie is worth nothing", async (t) => {
  const rig = await rigOf(t);
  const cookie = await logIn(rig, TEST_TOKENS.read);
  await send(rig, "/logout", { csrf: "wrong" }, { ...SAME_SITE, cookie });
  const { status, csrf } = await look(rig, "/", cookie);
  assert.equal(status, 200, "another site's form does not log out");
  const out = await send(rig, "/logout", { csrf }, { ...SAME_SITE, cookie });
  assert.match(out.headers.get("set-cookie") ?? "", /tote-relay=; Max-Age=0/);
  assert.equal((await look(rig, "/", cookie)).status, 303);
});

test("pages may load nothing but their own style and icon", async (t) => {
  const rig = await rigOf(t);
  const answer = await rig.relay.app.request("/login");
  const policy = answer.headers.get("content-security-policy") ?? "";
  assert.match(policy, /^default-src 'none'; style-src 'sha256-[^']+'; img-src 'self'; form-action 'self'/);
  assert.doesNotMatch(policy, /unsafe|script-src/);
  const text = await answer.text();
  assert.doesNotMatch(text, /<script|\son\w+=|\sstyle=|https?:\/\//);
});

test("what is not there, and what cannot be, is said on a page", async (t) => {
  const rig = await rigOf(t);
  const cookie = await logIn(rig, TEST_TOKENS.read);
  for (const path of ["/deliveries/99", "/deliveries/x", "/incidents/none", "/subscriptions/none"]) {
    const { status, text } = await look(rig, path, cookie);
    assert.equal(status, 404, path);
    assert.match(text, /There is no such thing/);
  }
  const bad = await look(rig, "/deliveries?state=lost", cookie);
  assert.equal(bad.status, 400);
  assert.match(bad.text, /state: &quot;lost&quot; is not allowed/);
});

test("an empty relay says what is empty", async (t) => {
  const rig = await startRig(t, { config: "" });
  const cookie = await logIn(rig, TEST_TOKENS.read);
  const { text } = await look(rig, "/", cookie);
  for (const said of ["All is well:", "No incidents", "No dead letters", "No subscriptions"]) {
    assert.ok(text.includes(said), said);
  }
});
