import assert from "node:assert/strict";
import { test } from "node:test";

import { ConfigError, parseSubscriptions } from "./parse.ts";
import { SUBSCRIPTION_TYPES, type Subscription } from "./subscription.ts";

const OPTIONS = { file: "/etc/tote/relay.yaml", types: SUBSCRIPTION_TYPES };

function problemsOf(text: string): readonly string[] {
  try {
    parseSubscriptions(text, OPTIONS);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.problems;
  }
  return [];
}

function one(fields: string): Subscription {
  const [subscription] = parseSubscriptions(
    `subscriptions:\n  - ${fields.trim().replaceAll("\n", "\n    ")}`,
    OPTIONS,
  );
  assert.ok(subscription);
  return subscription;
}

test("a subscription of few words gets what is usual", () => {
  const subscription = one("{name: ops, type: webhook, url: 'https://ops.example/hook'}");
  assert.equal(subscription.type === "webhook" && subscription.format, "standard");
  assert.equal(subscription.timeoutMs, 15_000);
  assert.equal(subscription.retry.scheduleMs.length, 10);
  const total = subscription.retry.scheduleMs.reduce((sum, pause) => sum + pause, 0);
  assert.ok(total > 22 * 3_600_000 && total < 24 * 3_600_000, "about a day");
  assert.equal(subscription.group, undefined);
  assert.deepEqual(subscription.filter, {
    events: [],
    namespaces: [],
    minSeverity: undefined,
    severities: [],
  });
});

test("every field is read, and names of files start from the folder of the file", () => {
  const subscription = one(`
name: all
type: webhook
format: cloudevents
urlFile: secrets/url
secretFiles: [a, /b]
events: ["tote.image.*", detected]
namespaces: prod-*
severity: warning
headersFile: headers
timeout: 5s
retry: {schedule: ["0s", 1m], maxAge: 2h}
rateLimit: 30/m
group: {interval: 90s, events: ["*"], samples: 3}
tls: {ca: ca.pem, cert: tls.crt, key: tls.key}
proxy: http://egress.test:3128
allowAddresses: [127.0.0.1/32, "::1"]
`);
  assert.deepEqual(subscription, {
    name: "all",
    type: "webhook",
    format: "cloudevents",
    url: undefined,
    urlFile: "/etc/tote/secrets/url",
    secretFiles: ["/etc/tote/a", "/b"],
    filter: {
      events: ["tote.image.*", "detected"],
      namespaces: ["prod-*"],
      minSeverity: "warning",
      severities: [],
    },
    headersFile: "/etc/tote/headers",
    timeoutMs: 5000,
    retry: { scheduleMs: [0, 60_000], maxAgeMs: 7_200_000 },
    rateLimit: { perSecond: 0.5, burst: 1 },
    group: { intervalMs: 90_000, events: ["*"], samples: 3 },
    tls: { ca: "/etc/tote/ca.pem", cert: "/etc/tote/tls.crt", key: "/etc/tote/tls.key" },
    proxy: "http://egress.test:3128",
    proxyFile: undefined,
    allowAddresses: ["127.0.0.1/32", "::1"],
  });
});

test("a Slack subscription is a bot with channel and token, else an incoming webhook", () => {
  const bot = one("{name: bot, type: slack, channel: C123, tokenFile: /t}");
  assert.ok(bot.type === "slack" && bot.channel === "C123" && bot.tokenFile === "/t");
  const webhook = one("{name: hook, type: slack, urlFile: /u, severity: [critical]}");
  assert.deepEqual(webhook.filter.severities, ["critical"]);
  assert.match(
    problemsOf("subscriptions: [{name: a, type: slack, channel: C1}]")[0] ?? "",
    /^subscriptions\[0\]\.tokenFile: is required: a bot needs channel and tokenFile/,
  );
  assert.match(problemsOf("subscriptions: [{name: a, type: slack}]")[0] ?? "", /urlFile: is required/);
});

test("what Slack cannot have is told with its path and its value", () => {
  const bot = "name: a, type: slack, tokenFile: t";
  const cases: readonly (readonly [string, RegExp])[] = [
    [
      `${bot}, channel: "two words"`,
      /^subscriptions\[0\]\.channel: "two words" is not allowed, must be a channel's id/,
    ],
    [`${bot}, channel: "<!here>"`, /channel: "<!here>" is not allowed/],
    [bot, /channel: is required: a bot needs channel and tokenFile/],
    [`${bot}, channel: C1, urlFile: u`, /urlFile: is for an incoming webhook, which needs neither/],
    [`${bot}, channel: C1, url: "https://x.example"`, /url: is for an incoming webhook/],
    [`${bot}, channel: C1, apiUrl: "ftp://x"`, /apiUrl: is no address, must begin with https/],
    [`${bot}, channel: C1, rateLimit: 2/s`, /rateLimit: is more than 1\/s, which Slack does not take/],
    [`${bot}, channel: C1, format: standard`, /format: unknown field/],
    ["name: a, type: slack, urlFile: u, apiUrl: 'https://x.example'", /apiUrl: is for a bot/],
    ["name: a, type: slack, urlFile: u, rateLimit: 90/m", /rateLimit: is more than 1\/s/],
  ];
  for (const [fields, expected] of cases) {
    const problems = problemsOf(`subscriptions: [{${fields}}]`);
    assert.equal(problems.length, 1, `${fields}: ${problems.join("; ")}`);
    assert.match(problems[0] ?? "", expected);
  }
  for (const channel of ["C0123456789", "#ops", "ops-alerts", "größe"]) {
    assert.deepEqual(problemsOf(`subscriptions: [{${bot}, channel: "${channel}", rateLimit: 30/m}]`), []);
  }
  assert.deepEqual(
    problemsOf(`subscriptions: [{${bot}, channel: C1, apiUrl: "http://127.0.0.1/api", rateLimit: 9/s}]`),
    [],
  );
});

test("no subscriptions at all are allowed", () => {
  assert.deepEqual(parseSubscriptions("", OPTIONS), []);
  assert.deepEqual(parseSubscriptions("subscriptions: []", OPTIONS), []);
});

test("each mistake is told with its path and its value", () => {
  const webhook = "name: a, type: webhook, url: 'https://x.example/'";
  const cases: readonly (readonly [string, RegExp])[] = [
    ["subscriptions: 5", /^subscriptions: must be a list/],
    ["subscription: []", /^subscription: unknown field, known are subscriptions/],
    ["subscriptions: [5]", /^subscriptions\[0\]: 5 is not allowed, must be a mapping/],
    ["subscriptions: [{type: webhook, url: 'https://x/'}]", /^subscriptions\[0\]\.name: is required/],
    [
      "subscriptions: [{name: A b, type: webhook, url: 'https://x/'}]",
      /name: "A b" is not allowed, must be 1 to 63/,
    ],
    ["subscriptions: [{name: a, url: 'https://x/'}]", /type: is required, must be one of webhook, slack/],
    [
      "subscriptions: [{name: a, type: email}]",
      /type: "email" is not allowed, must be one of webhook, slack/,
    ],
    ["subscriptions: [{name: a, type: webhook}]", /url: is required, or urlFile/],
    ["subscriptions: [{name: a, type: webhook, url: ftp://x/}]", /url: is no address, must begin with https/],
    [`subscriptions: [{${webhook}, urlFile: /u}]`, /urlFile: excludes url/],
    [`subscriptions: [{${webhook}, evnts: [a]}]`, /subscriptions\[0\]\.evnts: unknown field, known are name/],
    [`subscriptions: [{${webhook}, events: ["a b"]}]`, /events: "a b" is not allowed, must be letters/],
    [`subscriptions: [{${webhook}, events: [3]}]`, /events\[0\]: 3 is not allowed, must be text/],
    [`subscriptions: [{${webhook}, severity: bad}]`, /severity: "bad" is not allowed, must be one of info/],
    [`subscriptions: [{${webhook}, timeout: 5}]`, /timeout: 5 is not allowed, must be a duration/],
    [
      `subscriptions: [{${webhook}, timeout: 1h}]`,
      /timeout: "1h" is not allowed, must be from 0\.1s to 300s/,
    ],
    [`subscriptions: [{${webhook}, retry: {schedule: []}}]`, /retry\.schedule: \[\] is not allowed/],
    [
      `subscriptions: [{${webhook}, retry: {schedule: [5x]}}]`,
      /retry\.schedule\[0\]: "5x", must be a duration/,
    ],
    [
      `subscriptions: [{${webhook}, retry: {max: 5}}]`,
      /retry\.max: unknown field, known are schedule, maxAge/,
    ],
    [`subscriptions: [{${webhook}, rateLimit: fast}]`, /rateLimit: "fast" is not allowed/],
    [`subscriptions: [{${webhook}, group: {}}]`, /group\.interval: is required/],
    [`subscriptions: [{${webhook}, group: {interval: 1m, samples: 0}}]`, /group\.samples: 0 is not allowed/],
    [
      `subscriptions: [{${webhook}, format: tote-v0, group: {interval: 1m}}]`,
      /group: is not possible with format/,
    ],
    [`subscriptions: [{${webhook}, tls: {cert: a}}]`, /tls\.key: is required: cert and key belong together/],
    [
      `subscriptions: [{${webhook}, allowAddresses: [10.0.0.0/40]}]`,
      /allowAddresses\[0\]: "10\.0\.0\.0\/40" is no range/,
    ],
    [
      `subscriptions: [{${webhook}}, {${webhook}}]`,
      /subscriptions\[1\]\.name: "a" is the name of subscriptions\[0\], too/,
    ],
    ["subscriptions: [", /line 1/],
    [`subscriptions: [{${webhook}, name: b}]`, /Map keys must be unique/],
  ];
  for (const [text, expected] of cases) {
    const problems = problemsOf(text);
    assert.ok(
      problems.some((problem) => expected.test(problem)),
      `${text}: ${JSON.stringify(problems)}`,
    );
  }
});

test("a secret in the wrong place is refused and not repeated", () => {
  const base = "name: a, type: webhook";
  const cases = [
    "{name: a, type: slack, url: 'https://hooks.slack.com/services/T0/B0/CANARY'}",
    `{${base}, url: 'https://user:CANARY@x.example/'}`,
    `{${base}, url: 'CANARY'}`,
    `{${base}, urlFile: 'https://x.example/CANARY'}`,
    `{${base}, url: 'https://x.example', secretFiles: [whsec_CANARY]}`,
    "{name: a, type: slack, channel: C1, tokenFile: xoxb-CANARY}",
    "{name: a, type: slack, channel: xoxb-CANARY, tokenFile: t}",
    "{name: a, type: slack, channel: C1, tokenFile: t, apiUrl: 'https://hooks.slack.com/services/T0/B0/CANARY'}",
    `{${base}, url: 'https://x.example', proxy: 'http://me:CANARY@egress.test'}`,
  ];
  for (const text of cases) {
    const problems = problemsOf(`subscriptions: [${text}]`);
    assert.ok(problems.length > 0, text);
    assert.ok(!problems.join("\n").includes("CANARY"), problems.join("\n"));
  }
});

test("several mistakes are told at once", () => {
  assert.equal(problemsOf("subscriptions: [{name: a, type: x}, {name: b, type: y, url: z}]").length, 4);
});

test("a file of aliases that unfold without end is refused", () => {
  const bomb = ["a: &a [x, x, x, x, x, x, x, x, x]"];
  for (const [from, to] of [
    ["a", "b"],
    ["b", "c"],
    ["c", "d"],
    ["d", "e"],
    ["e", "f"],
  ] as const) {
    bomb.push(
      `${to}: &${to} [*${from}, *${from}, *${from}, *${from}, *${from}, *${from}, *${from}, *${from}, *${from}]`,
    );
  }
  assert.match(problemsOf(bomb.join("\n"))[0] ?? "", /alias/);
});
