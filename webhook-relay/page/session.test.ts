import assert from "node:assert/strict";
import { test } from "node:test";

import { SESSION_MS, SESSIONS_MAX } from "../limits.ts";
import { TokenSet } from "../tokens.ts";
import { Sessions } from "./session.ts";

function setUp() {
  const state = {
    now: 1_000,
    tokens: new TokenSet([
      ["read", "reading"],
      ["admin", "old-admin"],
      ["admin", "new-admin"],
    ]),
  };
  let secrets = 0;
  const sessions = new Sessions({
    tokens: () => state.tokens,
    clock: { now: () => state.now },
    randomSecret: () => `secret-${(secrets += 1)}`,
  });
  return { state, sessions };
}

test("a session may what its token may, with either of two tokens", () => {
  const { sessions } = setUp();
  for (const [token, role] of [
    ["reading", "read"],
    ["old-admin", "admin"],
    ["new-admin", "admin"],
  ] as const) {
    assert.equal(sessions.find(sessions.open(token) ?? "")?.role, role);
  }
  assert.equal(sessions.open("unknown"), undefined);
});

test("a session ends when its token is taken away", () => {
  const { state, sessions } = setUp();
  const old = sessions.open("old-admin") ?? "";
  const current = sessions.open("new-admin") ?? "";
  state.tokens = new TokenSet([["admin", "new-admin"]]);
  assert.equal(sessions.find(old), undefined);
  assert.equal(sessions.find(current)?.role, "admin");
});

test("a session ends after its time", () => {
  const { state, sessions } = setUp();
  const id = sessions.open("reading") ?? "";
  state.now += SESSION_MS - 1;
  assert.notEqual(sessions.find(id), undefined);
  state.now += 1;
  assert.equal(sessions.find(id), undefined);
});

test("sessions are bounded, the oldest goes first", () => {
  const { sessions } = setUp();
  const first = sessions.open("reading") ?? "";
  const second = sessions.open("reading") ?? "";
  for (let count = 2; count <= SESSIONS_MAX; count += 1) sessions.open("reading");
  assert.equal(sessions.find(first), undefined);
  assert.notEqual(sessions.find(second), undefined);
});
