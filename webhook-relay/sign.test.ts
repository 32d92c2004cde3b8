import assert from "node:assert/strict";
import { createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { test } from "node:test";

import { Webhook } from "standardwebhooks";

import { formatPublicKey, parseSigningKey, signMessage } from "./sign.ts";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

test("a v1 signature is the published one", () => {
  const message = {
    id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
    timestamp: 1_614_265_330,
    body: '{"test": 2432232314}',
  };
  const expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
  assert.equal(signMessage(message, [parseSigningKey(SECRET, "key")]), expected);
});

test("a v1a signature is the published one, and its public key, too", () => {
  const key = parseSigningKey(
    "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==",
    "key",
  );
  const message = {
    id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
    timestamp: 1_614_265_330,
    body: '{"test": 2432232314}',
  };
  assert.equal(
    signMessage(message, [key]),
    "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==",
  );
  assert.ok(key.scheme === "v1a");
  assert.equal(formatPublicKey(key.publicKey), "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=");
});

test("the standardwebhooks package accepts each of several keys, and refuses another", () => {
  const other = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
  const timestamp = Math.floor(Date.now() / 1000);
  const body = JSON.stringify({ text: "grüße 🚀 \u2028" });
  const signature = signMessage({ id: "abc", timestamp, body }, [
    parseSigningKey(SECRET, "one"),
    parseSigningKey(other, "two"),
  ]);
  const headers = {
    "webhook-id": "abc",
    "webhook-timestamp": String(timestamp),
    "webhook-signature": signature,
  };
  assert.deepEqual(new Webhook(SECRET).verify(body, headers), JSON.parse(body));
  assert.deepEqual(new Webhook(other).verify(body, headers), JSON.parse(body));
  const third = `whsec_${Buffer.alloc(32, 8).toString("base64")}`;
  assert.throws(() => new Webhook(third).verify(body, headers), /No matching signature/);
  assert.throws(() => new Webhook(SECRET).verify(`${body} `, headers), /No matching signature/);
});

test("an ed25519 key of 32 bytes signs what its public key verifies", () => {
  const pair = generateKeyPairSync("ed25519");
  const seed = pair.privateKey.export({ format: "der", type: "pkcs8" }).subarray(-32);
  const key = parseSigningKey(`whsk_${seed.toString("base64")}`, "key");
  const signature = signMessage({ id: "a", timestamp: 5, body: "{}" }, [key]).slice("v1a,".length);
  const isGood = verify(
    null,
    Buffer.from("a.5.{}"),
    createPublicKey(pair.privateKey),
    Buffer.from(signature, "base64"),
  );
  assert.ok(isGood);
});

test("a key that cannot be is refused with what it must be, and never shown", () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ["hunter2hunter2", /^key: holds no signing key: it must begin with whsec_/],
    ["whsec_aHVudGVyMg==", /^key: the secret after whsec_ has 7 bytes, must be base64 of 24 to 64 bytes/],
    [`whsec_${Buffer.alloc(65).toString("base64")}`, /has 65 bytes/],
    ["whsec_hunter2!hunter2", /is not base64/],
    ["whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=", /holds no signing key/],
    [`whsk_${Buffer.alloc(31).toString("base64")}`, /has 31 bytes/],
    [`whsk_${Buffer.alloc(64, 1).toString("base64")}`, /a public part that does not belong to it/],
  ];
  for (const [text, expected] of cases) {
    assert.throws(
      () => parseSigningKey(text, "key"),
      (error: Error) => expected.test(error.message) && !error.message.includes("hunter2"),
      text,
    );
  }
});
