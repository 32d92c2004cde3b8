import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { createManualClock } from "../../test/harness/manual-clock.ts";
import { createPki } from "../../test/harness/pki.ts";
import { readTextFile } from "../files.ts";
import { Follower } from "../follow.ts";
import { loadSubscriptions } from "./load.ts";
import { secretsOf } from "./secrets.ts";
import { SUBSCRIPTION_TYPES, type ResolvedSubscription } from "./subscription.ts";

const KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

function folder(t: TestContext, files: Readonly<Record<string, string>>): (name: string) => string {
  const directory = mkdtempSync(join(tmpdir(), "relay-config-"));
  t.after(() => rmSync(directory, { recursive: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return (name) => join(directory, name);
}

const load = (file: string) =>
  loadSubscriptions({ file, types: SUBSCRIPTION_TYPES }, readTextFile, AbortSignal.timeout(5000));

test("what the files of a subscription hold comes with it, and is known as secret", async (t) => {
  const path = folder(t, {
    "relay.yaml": `subscriptions:
      - {name: a, type: webhook, urlFile: url, secretFiles: [k1, k2], headersFile: headers}
      - {name: b, type: slack, channel: C1, tokenFile: token}`,
    url: "https://hooks.example/services/SECRETPATH?q=SECRETQUERY\n",
    k1: `${KEY}\n`,
    k2: `${KEY}\n${KEY}`,
    headers: "Authorization: Bearer SECRETHEADER\n\nX-Team: ops\n",
    token: "xoxb-SECRETTOKEN\n",
  });
  const { value } = await load(path("relay.yaml"));
  assert.equal(value[0]?.secrets.url, "https://hooks.example/services/SECRETPATH?q=SECRETQUERY");
  assert.equal(value[0].secrets.signingKeys.length, 3);
  assert.deepEqual(value[0].secrets.headers, [
    ["authorization", "Bearer SECRETHEADER"],
    ["x-team", "ops"],
  ]);
  assert.equal(value[1]?.secrets.token, "xoxb-SECRETTOKEN");
  const secrets = value.flatMap(secretsOf).join("\n");
  for (const one of ["SECRETPATH", "SECRETQUERY", KEY, "\nSECRETHEADER", "xoxb-SECRETTOKEN"]) {
    assert.ok(secrets.includes(one), one);
  }
});

test("a file that cannot be used is named, and nothing of it is shown", async (t) => {
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ["urlFile: missing", "", /cannot read .*missing: there is no such file/],
    ["urlFile: file", "CANARY", /subscription a: urlFile .*file: holds no address/],
    ["urlFile: file", " \n", /urlFile .*file: is empty/],
    ["url: 'http://x/', secretFiles: [file]", "CANARY", /secretFiles .*file: holds no signing key/],
    ["url: 'http://x/', headersFile: file", "X: 1\nCANARY", /headersFile .*file: line 2 is no header/],
    [
      "url: 'http://x/', headersFile: file",
      "Webhook-Id: CANARY",
      /line 1 sets Webhook-Id, which the relay sets/,
    ],
    [
      "url: 'http://x/', proxyFile: file",
      "http://me:CANARY%@egress.test:3128",
      /subscription a: proxyFile .*file: has credentials with a "%" that begins no code/,
    ],
    ["url: 'http://x/', tls: {ca: file}", "CANARY", /subscription a: tls: the files cannot be used/],
  ];
  for (const [fields, text, expected] of cases) {
    const path = folder(t, {
      "relay.yaml": `subscriptions: [{name: a, type: webhook, ${fields}}]`,
      file: text,
    });
    await assert.rejects(load(path("relay.yaml")), (error: Error) => {
      assert.match(error.message, expected);
      assert.ok(!error.message.includes("CANARY"), error.message);
      return true;
    });
  }
});

test("credentials in the address and an Authorization of its own are one too many", async (t) => {
  const path = folder(t, {
    "relay.yaml": "subscriptions: [{name: a, type: webhook, urlFile: url, headersFile: headers}]",
    url: "https://me:CANARY@one.example/",
    headers: "Authorization: Bearer CANARY",
  });
  await assert.rejects(load(path("relay.yaml")), (error: Error) => {
    assert.match(error.message, /headersFile .*headers: sets authorization, and the address in urlFile has/);
    assert.ok(!error.message.includes("CANARY"), error.message);
    return true;
  });
});

test("a certificate without its own key is refused", async (t) => {
  const pki = await createPki();
  const [one, other] = [await pki.issue(["one"]), await pki.issue(["other"])];
  const path = folder(t, {
    "relay.yaml": "subscriptions: [{name: a, type: webhook, url: 'https://x/', tls: {cert: crt, key: key}}]",
    crt: one.cert,
    key: other.key,
  });
  await assert.rejects(load(path("relay.yaml")), /subscription a: tls: .*key does not belong to cert/);
});

test("changed files are taken over, bad ones are told once and change nothing", async (t) => {
  const path = folder(t, {
    "relay.yaml": "subscriptions: [{name: a, type: webhook, urlFile: url}]",
    url: "https://one.example/",
  });
  const clock = createManualClock();
  const seen: (readonly ResolvedSubscription[])[] = [];
  const errors: unknown[] = [];
  let recoveries = 0;
  const signal = AbortSignal.timeout(20_000);
  const follower = await Follower.open(
    {
      load: () => load(path("relay.yaml")),
      clock,
      intervalMs: 1000,
      onChange: (value) => seen.push(value),
      onError: (error) => errors.push(error),
      onGood: () => {
        recoveries += 1;
      },
    },
    signal,
  );
  await follower.poll(signal);
  assert.equal(seen.length, 0);
  writeFileSync(path("url"), "https://two.example/");
  await follower.poll(signal);
  assert.equal(seen[0]?.[0]?.secrets.url, "https://two.example/");
  writeFileSync(path("relay.yaml"), "subscriptions: [{name: a}]");
  await follower.poll(signal);
  await follower.poll(signal);
  assert.equal(errors.length, 1);
  assert.match(follower.problem, /type: is required/);
  assert.equal(follower.current[0]?.secrets.url, "https://two.example/");
  writeFileSync(path("relay.yaml"), "subscriptions: [{name: a, type: webhook, urlFile: url}]");
  await follower.poll(signal);
  assert.equal(recoveries, 1);
  assert.equal(follower.problem, "");
  assert.equal(seen.length, 1);
});
