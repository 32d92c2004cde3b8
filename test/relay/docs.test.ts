import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test, type TestContext } from "node:test";

import { parseEvent } from "../../webhook-relay/event/validate.ts";
import { RETRY_SCHEDULE_MS } from "../../webhook-relay/limits.ts";
import { formatPublicKey, parseSigningKey, signMessage } from "../../webhook-relay/sign.ts";
import { parseSubscriptions } from "../../webhook-relay/subscriptions/parse.ts";

const DOCUMENT = readFileSync(new URL("../../docs/webhooks.md", import.meta.url), "utf8");
const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const PRIVATE =
  "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";

/** Code blocks of a language, in order. */
function blocks(language: string): readonly string[] {
  return [...DOCUMENT.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].flatMap(([, found, code = ""]) =>
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
