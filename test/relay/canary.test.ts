import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { testEvent } from "../../webhook-relay/event/testing.ts";
import { startReceiver } from "../../webhook-relay/testing/receiver.ts";
import { createCleanup } from "../harness/cleanup.ts";
import { waitFor } from "../harness/wait.ts";
import { RELAY_TOKENS, startRelayProcess } from "./relay-process.ts";

const CANARIES = {
  path: "canaryPATHq8Zx7",
  query: "canaryQUERY=w/+9",
  user: "canaryUSER31",
  password: "canaryPASS77",
  header: "canaryHEADER55",
  bearer: "canaryBEARER66",
  key: "Y2FuYXJ5S0VZLTAxMjM0NTY3ODlhYmNkZWY=",
  oldKey: "Y2FuYXJ5T0xELTAxMjM0NTY3ODlhYmNkZWY=",
  proxy: "canaryPROXY88",
  token: "xoxb-canaryTOKEN99",
} as const;

test("no secret turns up in logs, answers, metrics or the store, whoever repeats it", async (t) => {
  const cleanup = createCleanup(t);
  const receiver = await startReceiver(t);
  // a receiver that tells back everything that it was sent, in every part of its answer
  receiver.behave(({ path, headers }, response, number) => {
    const echo = `${path} ${decodeURIComponent(path)} ${JSON.stringify(headers)} ${CANARIES.key}`;
    response.writeHead(number % 2 === 0 ? 500 : 400, { "x-echo": encodeURIComponent(echo) }).end(echo);
  });
  const { path, query, user, password, header, bearer, key, oldKey, proxy, token } = CANARIES;
  const secretUrl = `http://${user}:${password}@127.0.0.1:${receiver.port}/services/${path}/x?token=${encodeURIComponent(query)}`;
  const retry = "retry: {schedule: [0s, 100ms, 100ms]}, allowAddresses: 127.0.0.1";
  const relay = await startRelayProcess({
    cleanup,
    config: `subscriptions:
  - {name: echo, type: webhook, urlFile: bare-url, secretFiles: [key, old-key], headersFile: headers, ${retry}}
  - {name: dns, type: webhook, urlFile: bad-url, secretFiles: key, ${retry}}
  - {name: refused, type: webhook, urlFile: refused-url, secretFiles: key, timeout: 1s}
  - {name: proxied, type: webhook, url: "https://somewhere.invalid/", proxyFile: proxy, secretFiles: key, ${retry}}
  - {name: slackish, type: webhook, urlFile: tls-url, secretFiles: key, ${retry}}
  - {name: bot, type: slack, tokenFile: slack-token, channel: C1, apiUrl: "${receiver.url}/api", ${retry}}
  - {name: hook, type: slack, urlFile: url, ${retry}}
  - {name: basic, type: webhook, urlFile: url, secretFiles: key, ${retry}}
  - {name: bad-hook, type: slack, urlFile: tls-url, ${retry}}`,
    files: {
      url: `${secretUrl}\n`,
      "bare-url": `${secretUrl.replace(`${user}:${password}@`, "")}\n`,
      "bad-url": `https://${user}.invalid/hooks/${path}`,
      "refused-url": `http://169.254.169.254/${path}`,
      "tls-url": `https://127.0.0.1:${receiver.port}/${path}`,
      proxy: `http://me:${proxy}@127.0.0.1:1`,
      "slack-token": token,
      key: `whsec_${key}`,
      "old-key": `whsec_${oldKey}`,
      headers: `X-Api-Key: ${header}\nAuthorization: Bearer ${bearer}\n`,
    },
  });
  assert.equal((await relay.post(testEvent())).status, 202);
  const wrong = await fetch(`${relay.url}/v1/events?token=${header}`, {
    method: "POST",
    headers: { authorization: `Bearer ${bearer}` },
    body: "{}",
  });
  assert.equal(wrong.status, 401);
  await waitFor(
    "all attempts",
    async () => {
      const { deliveries } = await (await relay.get("/v1/deliveries")).json();
      return deliveries.every(({ attemptCount }: { attemptCount: number }) => attemptCount >= 2);
    },
    { timeoutMs: 20_000 },
  );
  // configurations that are wrong in the worst places
  relay.write({ url: `no url but ${path}`, headers: header });
  await waitFor("the complaint", () => relay.logs().includes("configuration not reloaded"));
  relay.write({ url: secretUrl, headers: `X-Api-Key: ${header}`, key: `whsec_${key}broken!` });
  await waitFor("another", () => relay.logs().split("configuration not reloaded").length > 2);
  relay.write({ "ingest-token": `${RELAY_TOKENS.ingest} with a space` });
  await waitFor("the tokens", () => relay.logs().includes("tokens not reloaded"));
  relay.write({ headers: `X-Api-Key: ${header}`, key: `whsec_${key}`, "slack-token": `${token} and more` });
  await waitFor("the token of Slack", () => relay.logs().includes("holds no token"));

  const places = new Map<string, string>([["metrics", await relay.metrics()]]);
  for (let id = 1; id <= 9; id += 1)
    places.set(`delivery ${id}`, await (await relay.get(`/v1/deliveries/${id}`)).text());
  const answers = [
    "/v1/events",
    "/v1/deliveries",
    "/v1/subscriptions",
    "/v1/subscriptions/echo",
    "/openapi.json",
  ];
  for (const one of [...answers, "/.well-known/webhook-keys.json", `/${bearer}`]) {
    places.set(one, (await (await relay.get(one)).text()).replaceAll(`/${bearer}`, ""));
  }
  const login = await fetch(`${relay.url}/login`, {
    method: "POST",
    redirect: "manual",
    headers: { "sec-fetch-site": "same-origin" },
    body: new URLSearchParams({ token: RELAY_TOKENS.admin }),
  });
  const [cookie = ""] = (login.headers.get("set-cookie") ?? "").split(";");
  places.set("cookie", cookie);
  for (const one of [
    "/",
    "/incidents",
    "/deliveries",
    "/deliveries/1",
    "/subscriptions/echo",
    "/subscriptions/dns",
  ]) {
    const answer = await fetch(`${relay.url}${one}`, { redirect: "manual", headers: { cookie } });
    assert.equal(answer.status, 200, one);
    places.set(`page ${one}`, await answer.text());
  }
  await relay.stop();
  places.set("log", relay.logs());
  for (const file of readdirSync(relay.dataDir)) {
    places.set(file, readFileSync(join(relay.dataDir, file), "latin1"));
  }
  assert.ok((places.get("log") ?? "").length > 500);
  assert.match(
    places.get("delivery 1") ?? "",
    /\[redacted\]/,
    "the receiver's echo was kept, without the secrets",
  );
  const basic = Buffer.from(`${user}:${password}`).toString("base64");
  const told = receiver.requests.map(({ headers }) => headers["authorization"]);
  assert.ok(told.includes(`Basic ${basic}`), "the credentials of an address were sent");
  const secrets = [
    ...Object.values(CANARIES),
    ...Object.values(RELAY_TOKENS),
    encodeURIComponent(query),
    basic,
    basic.replace(/=+$/, ""),
  ];
  for (const [place, text] of places) {
    // the name of a host is no secret, and is needed to find a mistake in it
    const shown = text.replaceAll(`${user.toLowerCase()}.invalid`, "");
    for (const secret of secrets) {
      assert.ok(!shown.includes(secret), `${secret} is in ${place}: …${around(shown, secret)}…`);
    }
  }
});

function around(text: string, part: string): string {
  const at = text.indexOf(part);
  return text.slice(Math.max(0, at - 80), at + part.length + 20);
}
