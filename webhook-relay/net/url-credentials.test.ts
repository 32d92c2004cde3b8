import assert from "node:assert/strict";
import { test } from "node:test";

import { isEncoded, splitCredentials } from "./url-credentials.ts";

test("credentials leave the URL and become a header", () => {
  for (const [url, rest, user, password] of [
    ["https://me:secret@x.test/hook?a=1", "https://x.test/hook?a=1", "me", "secret"],
    ["https://me@x.test/", "https://x.test/", "me", ""],
    ["https://:secret@x.test:8443/", "https://x.test:8443/", "", "secret"],
    ["https://m%40e:p%3Aw%2F%C3%BC@x.test/", "https://x.test/", "m@e", "p:w/ü"],
    ["https://me:100%@x.test/", "https://x.test/", "me", "100%"],
  ] as const) {
    assert.deepEqual(splitCredentials(url), {
      url: rest,
      username: user,
      password,
      authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`,
    });
  }
});

test("a URL without credentials stays as it is, byte for byte", () => {
  for (const url of ["https://x.test", "http://x.test/a%zz?b", "no URL"]) {
    assert.deepEqual(splitCredentials(url), { url, username: "", password: "", authorization: "" });
  }
});

test("a % in credentials that begins no code is told from one that does", () => {
  for (const [credentials, expected] of [
    ["", true],
    ["me:p%2Fw@", true],
    ["me:100%25@", true],
    ["me:100%@", false],
    ["100%:p@", false],
    ["me:%zz@", false],
    ["me:%ff@", false],
  ] as const) {
    assert.equal(isEncoded(`http://${credentials}x.test/`), expected, credentials);
  }
});
