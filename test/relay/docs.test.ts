import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test, type TestContext } from "node:test";

import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

import { testEvent } from "../../webhook-relay/event/testing.ts";
import { parseEvent } from "../../webhook-relay/event/validate.ts";
import { RETRY_SCHEDULE_MS } from "../../webhook-relay/limits.ts";
import { formatPublicKey, parseSigningKey, signMessage } from "../../webhook-relay/sign.ts";
import { parseSubscriptions } from "../../webhook-relay/subscriptions/parse.ts";
import { startReceiver } from "../../webhook-relay/testing/receiver.ts";
import { startRig } from "../../webhook-relay/testing/relay-rig.ts";
import { waitFor } from "../harness/wait.ts";

const DOCUMENT = readFileSync(new URL("../../docs/webhooks.md", import.meta.url), "utf8");
const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const PRIVATE =
  "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";

/** Code blocks of a language, in order. */
function blocks(language: string): readonly string[] {
  return blocksOf(DOCUMENT, language);
}

function blocksOf(text: string, language: string): readonly string[] {
  return [...text.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].flatMap(([, found, code = ""]) =>
    found === language ? [code] : [],
  );
}

function folder(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "relay-docs-"));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

/** What a receiver gets: good, with another body, and too old. */
function requests(): readonly {
  readonly headers: Record<string, string>;
  readonly body: string;
  readonly good: boolean;
}[] {
  const body = '{"text":"grüße"}';
  const keys = [parseSigningKey(SECRET, "key"), parseSigningKey(PRIVATE, "key")];
  const at = (timestamp: number): Record<string, string> => ({
    "webhook-id": "abc",
    "webhook-timestamp": String(timestamp),
    "webhook-signature": signMessage({ id: "abc", timestamp, body }, keys),
  });
  const now = Math.floor(Date.now() / 1000);
  return [
    { headers: at(now), body, good: true },
    { headers: at(now), body: `${body} `, good: false },
    { headers: at(now - 1000), body, good: false },
    { headers: { ...at(now), "webhook-id": "abd" }, body, good: false },
    { headers: {}, body, good: false },
  ];
}

test("the documented verification in TypeScript tells right from wrong, with either kind of key", (t) => {
  const directory = folder(t);
  const key = parseSigningKey(PRIVATE, "key");
  assert.ok(key.scheme === "v1a");
  for (const known of [SECRET, formatPublicKey(key.publicKey)]) {
    const script = `${blocks("ts")[0] ?? ""}
      const requests = ${JSON.stringify(requests())};
      console.log(JSON.stringify(requests.map(({ headers, body }) => isFromRelay(headers, body, ["whsec_AAAA", ${JSON.stringify(known)}]))));`;
    writeFileSync(join(directory, "verify.mts"), script);
    const out = execFileSync(process.execPath, [join(directory, "verify.mts")], { encoding: "utf8" });
    assert.deepEqual(
      JSON.parse(out),
      requests().map(({ good }) => good),
    );
  }
});

test("the documented verification in Python tells right from wrong", (t) => {
  if (spawnSync("python3", ["--version"]).status !== 0) {
    t.diagnostic("there is no python3 on this machine");
    return;
  }
  const script = `${blocks("python")[0] ?? ""}
import json, sys
print(json.dumps([is_from_relay(one["headers"], one["body"].encode(), ["whsec_AAAA", "${SECRET}"]) for one in json.load(sys.stdin)]))`;
  const out = execFileSync("python3", ["-c", script], {
    encoding: "utf8",
    input: JSON.stringify(requests()),
  });
  assert.deepEqual(
    JSON.parse(out),
    requests().map(({ good }) => good),
  );
});

test("the documented verification in Go tells right from wrong", (t) => {
  if (spawnSync("go", ["version"]).status !== 0) {
    t.diagnostic("there is no go on this machine");
    return;
  }
  const directory = folder(t);
  mkdirSync(join(directory, "webhook"));
  writeFileSync(join(directory, "go.mod"), "module example.test/relay\n\ngo 1.18\n");
  writeFileSync(join(directory, "webhook", "verify.go"), blocks("go")[0] ?? "");
  writeFileSync(
    join(directory, "main.go"),
    `package main

import (
	"encoding/json"
	"net/http"
	"os"

	"example.test/relay/webhook"
)

func main() {
	var requests []struct {
		Headers map[string]string
		Body    string
	}
	if err := json.NewDecoder(os.Stdin).Decode(&requests); err != nil {
		panic(err)
	}
	results := []bool{}
	for _, request := range requests {
		header := http.Header{}
		for name, value := range request.Headers {
			header.Set(name, value)
		}
		results = append(results, webhook.IsFromRelay(header, []byte(request.Body), []string{"whsec_AAAA", "${SECRET}"}))
	}
	_ = json.NewEncoder(os.Stdout).Encode(results)
}
`,
  );
  const out = execFileSync("go", ["run", "."], {
    cwd: directory,
    encoding: "utf8",
    input: JSON.stringify(requests()),
    timeout: 120_000,
  });
  assert.deepEqual(
    JSON.parse(out),
    requests().map(({ good }) => good),
  );
});

test("the documented event and configuration are what the relay takes, and the schedule is its own", () => {
  const [event = ""] = blocks("json");
  assert.equal(parseEvent(JSON.parse(event)).kind, "event");
  const [config = ""] = blocks("yaml");
  const [subscription] = parseSubscriptions(config, {
    file: "/etc/tote/relay.yaml",
    types: ["webhook", "slack"],
  });
  assert.deepEqual(subscription?.retry.scheduleMs, RETRY_SCHEDULE_MS);
  const slack = blocks("yaml").find((code) => code.includes("type: slack"));
  const found = parseSubscriptions(slack ?? "", {
    file: "/etc/tote/relay.yaml",
    types: ["webhook", "slack"],
  });
  assert.deepEqual(
    found.map((one) => one.type === "slack" && (one.channel ?? one.urlFile)),
    ["C0123456789", "/etc/tote/slack-hook-url"],
  );
  assert.equal(DOCUMENT.match(/^\| \d{1,2} +\|/gm)?.length, RETRY_SCHEDULE_MS.length);
});

/** Answers what is wrong with a value after a schema of `docs/`. */
function createValidator(name: string): (value: unknown) => readonly string[] {
  const schema: object = JSON.parse(readFileSync(new URL(`../../docs/${name}`, import.meta.url), "utf8"));
  const ajv = new Ajv2020({ allErrors: true, strict: false });
  addFormats.default(ajv);
  const validate = ajv.compile(schema);
  return (value) => {
    validate(value);
    return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message ?? ""}`);
  };
}

test("there is an example of each type of event, valid after the schema, with the severity of the table", () => {
  const problemsOf = createValidator("events.schema.json");
  const schema = JSON.parse(readFileSync(new URL("../../docs/events.schema.json", import.meta.url), "utf8"));
  const [, section = ""] = DOCUMENT.split("\n## Examples of each type\n");
  const examples = blocksOf(section, "json").map((code) => JSON.parse(code));
  assert.deepEqual(
    examples.map(({ type }) => type),
    schema.properties.type.enum,
  );
  const severities = new Map(
    [...DOCUMENT.matchAll(/^\| `(tote\.image\.\w+)` +\| (\w+)/gm)].map(([, type, severity]) => [
      type,
      severity,
    ]),
  );
  for (const example of examples) {
    assert.deepEqual(problemsOf(example), [], example.type);
    assert.equal(example.data.severity, severities.get(example.type), example.type);
    assert.equal(parseEvent(example).kind, "event");
  }
  assert.equal(new Set(examples.map(({ id }) => id)).size, examples.length);
});

test("what the relay itself says to receivers is valid after its schema, and no event of the controller", async (t) => {
  const receiver = await startReceiver(t);
  const rig = await startRig(t, {
    config: `subscriptions: [{name: one, type: webhook, url: "${receiver.url}/", allowAddresses: 127.0.0.1, group: {interval: 200ms}}]`,
  });
  const events = Array.from({ length: 4 }, (_, at) => testEvent({ id: String(at).repeat(64) }));
  await rig.post(events);
  await rig.relay.control.sendTest("one");
  await waitFor("an event, a summary and a test", () => receiver.requests.length === 3);
  const bodies = receiver.requests.map(({ body }) => JSON.parse(body));
  const ofRelay = createValidator("relay-events.schema.json");
  const ofController = createValidator("events.schema.json");
  for (const [type, isRelay] of [
    ["tote.image.detected", false],
    ["tote.relay.summary", true],
    ["tote.relay.test", true],
  ] as const) {
    const found = bodies.find((body) => body.type === type);
    assert.ok(found, type);
    assert.deepEqual((isRelay ? ofRelay : ofController)(found), [], type);
    assert.notDeepEqual((isRelay ? ofController : ofRelay)(found), [], type);
  }
});
