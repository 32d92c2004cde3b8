import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { formatHelp } from "./flag-help.ts";
import { defineFlags, environmentName, parseFlags } from "./flags.ts";
import type { HostPort } from "./flag-types.ts";

const FLAGS = defineFlags({
  "node-name": { kind: "string", required: true, help: "name of this node" },
  "grpc-port": { kind: "int", default: 9090, min: 1, max: 65_535, help: "port of the RPC server" },
  "metrics-addr": { kind: "hostport", default: ":8081", help: "address of metrics and health" },
  "orphan-grace": { kind: "duration", default: "2m", min: "1s", max: "1h", help: "how long an orphan lives" },
  "max-image-size": { kind: "size", default: "2Gi", help: "largest image" },
  "tls-cert": { kind: "path", help: "certificate file" },
  insecure: { kind: "boolean", help: "no TLS" },
  enabled: { kind: "boolean", default: true, help: "do anything" },
  "json-log": {
    kind: "choice",
    choices: ["true", "false", "auto"],
    default: "auto",
    bare: "true",
    help: "log as JSON",
  },
  roles: { kind: "list", choices: ["a", "b"], help: "roles" },
  labels: { kind: "list", help: "labels" },
});

function values(argv: readonly string[], env: Record<string, string> = {}) {
  const result = parseFlags(FLAGS, ["--node-name=n", ...argv], env);
  assert.equal(result.kind, "values", result.kind === "error" ? result.message : undefined);
  return result.values;
}

function message(argv: readonly string[], env: Record<string, string> = {}): string {
  const result = parseFlags(FLAGS, argv, env);
  assert.equal(result.kind, "error");
  assert.ok(!result.message.includes("\n"), "one line");
  return result.message;
}

describe("parseFlags", () => {
  it("gives typed values and defaults", () => {
    const parsed = values([]);
    const port: number = parsed.grpcPort;
    const address: HostPort = parsed.metricsAddr;
    const grace: number = parsed.orphanGrace;
    const cert: string | undefined = parsed.tlsCert;
    const log: "true" | "false" | "auto" = parsed.jsonLog;
    const roles: readonly ("a" | "b")[] = parsed.roles;
    // @ts-expect-error a flag without default may be missing
    const wrong: string = parsed.tlsCert;
    // @ts-expect-error there is no such flag
    const missing: unknown = parsed.grpcPrt;
    assert.deepEqual(
      {
        port,
        address,
        grace,
        cert,
        log,
        roles,
        wrong,
        missing,
        size: parsed.maxImageSize,
        labels: parsed.labels,
      },
      {
        port: 9090,
        address: { host: "", port: 8081 },
        grace: 120_000,
        cert: undefined,
        log: "auto",
        roles: [],
        wrong: undefined,
        missing: undefined,
        size: 2 ** 31,
        labels: [],
      },
    );
    assert.equal(parsed.insecure, false);
    assert.equal(parsed.enabled, true);
  });

  it("reads --name value and --name=value alike", () => {
    assert.equal(values(["--grpc-port", "1"]).grpcPort, 1);
    assert.equal(values(["--grpc-port=2"]).grpcPort, 2);
    assert.equal(values(["--tls-cert=/a=b"]).tlsCert, "/a=b");
  });

  it("lets the last of a repeated flag win, and adds lists up", () => {
    assert.equal(values(["--grpc-port=1", "--grpc-port=2"]).grpcPort, 2);
    assert.deepEqual(values(["--labels=x, y,", "--labels", "z"]).labels, ["x", "y", "z"]);
  });

  it("reads booleans bare, with = and with a following word", () => {
    assert.equal(values(["--insecure"]).insecure, true);
    assert.equal(values(["--enabled=false"]).enabled, false);
    assert.equal(values(["--enabled", "false", "--insecure"]).enabled, false);
    assert.equal(values(["--insecure", "--enabled", "true"]).insecure, true);
  });

  it("reads a choice that may stand alone", () => {
    assert.equal(values(["--json-log"]).jsonLog, "true");
    assert.equal(values(["--json-log", "auto"]).jsonLog, "auto");
    assert.equal(values(["--json-log", "--insecure"]).insecure, true);
  });

  it("reads environment twins, but lets the flag win and ignores empty ones", () => {
    assert.equal(environmentName("grpc-port"), "TOTE_GRPC_PORT");
    assert.equal(values([], { TOTE_GRPC_PORT: "7" }).grpcPort, 7);
    assert.equal(values(["--grpc-port=8"], { TOTE_GRPC_PORT: "nonsense" }).grpcPort, 8);
    assert.equal(values([], { TOTE_GRPC_PORT: "", TOTE_UNKNOWN: "x" }).grpcPort, 9090);
  });

  it("takes a required flag from the environment", () => {
    const result = parseFlags(FLAGS, [], { TOTE_NODE_NAME: "m" });
    assert.equal(result.kind === "values" ? result.values.nodeName : "", "m");
  });

  it("says which flags were set", () => {
    const result = parseFlags(FLAGS, ["--insecure"], { TOTE_NODE_NAME: "m" });
    assert.deepEqual(result.kind === "values" ? [...result.given].sort() : [], ["insecure", "node-name"]);
  });

  it("asks for help wherever --help stands", () => {
    assert.equal(parseFlags(FLAGS, ["--insecure", "--help"], {}).kind, "help");
    assert.equal(parseFlags(FLAGS, ["-h"], {}).kind, "help");
  });

  it("takes a value that looks like a negative number, and refuses it by its bounds", () => {
    assert.match(
      message(["--grpc-port", "-1"]),
      /^--grpc-port: "-1" is not allowed, must be a whole number from 1 up to 65535$/,
    );
  });

  const refused: readonly (readonly [string, readonly string[], RegExp])[] = [
    ["an unknown flag", ["--colour"], /^--colour: unknown flag, see --help$/],
    ["a misspelt flag", ["--grcp-port=1"], /^--grcp-port: unknown flag, did you mean --grpc-port\?$/],
    ["a flag with underscores", ["--grpc_port=1"], /did you mean --grpc-port\?/],
    ["a name of Object", ["--constructor=1"], /unknown flag/],
    ["a positional argument", ["--insecure", "now"], /^"now": is not expected here/],
    ["what follows --", ["--", "x"], /^"--": is not expected here/],
    ["a short flag", ["-p"], /^-p: is not a flag/],
    ["a missing value", ["--grpc-port"], /^--grpc-port: needs a value, write --grpc-port=NUMBER$/],
    ["a flag instead of a value", ["--tls-cert", "--insecure"], /^--tls-cert: needs a value/],
    [
      "a word as number",
      ["--grpc-port=abc"],
      /^--grpc-port: "abc" is not allowed, must be a whole number from 1 up to 65535$/,
    ],
    ["a fraction", ["--grpc-port=1.5"], /must be a whole number/],
    ["a number out of range", ["--grpc-port=65536"], /must be a whole number from 1 up to 65535/],
    ["an empty number", ["--grpc-port="], /^--grpc-port: "" is not allowed/],
    ["an empty path", ["--tls-cert="], /^--tls-cert: is empty, must be a path$/],
    ["a word as boolean", ["--insecure=yes"], /^--insecure: "yes" is not allowed, must be true or false$/],
    ["a duration without unit", ["--orphan-grace=5"], /^--orphan-grace: "5", the unit is missing/],
    ["a duration below the bound", ["--orphan-grace=1ms"], /must be at least 1s$/],
    ["a duration above the bound", ["--orphan-grace=2h"], /must be at most 1h$/],
    ["a size with a strange unit", ["--max-image-size=5X"], /^--max-image-size: "5X", must be a size/],
    [
      "a port alone as address",
      ["--metrics-addr=8080"],
      /^--metrics-addr: "8080" is not an address, must be host:port/,
    ],
    ["a port that is too large", ["--metrics-addr=:65536"], /is not an address/],
    ["IPv6 without brackets", ["--metrics-addr=::1:80"], /is not an address/],
    ["a word that is no choice", ["--json-log=maybe"], /must be one of true, false, auto$/],
    ["a list entry that is no choice", ["--roles=a,c"], /^--roles: "c" is not allowed, must be one of a, b$/],
    ["a value with a line break", ["--grpc-port=1\n2"], /^--grpc-port: "1\\n2" is not allowed/],
    ["a missing required flag", [], /^--node-name: is required, give it or TOTE_NODE_NAME/],
  ];
  for (const [what, argv, expected] of refused) {
    it(`refuses ${what} in one line`, () => assert.match(message(argv), expected));
  }

  it("names the variable when the value came from the environment", () => {
    assert.match(
      message([], { TOTE_NODE_NAME: "n", TOTE_GRPC_PORT: "x" }),
      /^TOTE_GRPC_PORT: "x" is not allowed/,
    );
  });

  it("reads IPv4, names and IPv6 in brackets as address", () => {
    assert.deepEqual(values(["--metrics-addr=127.0.0.1:80"]).metricsAddr, { host: "127.0.0.1", port: 80 });
    assert.deepEqual(values(["--metrics-addr=[::1]:80"]).metricsAddr, { host: "::1", port: 80 });
    assert.deepEqual(values(["--metrics-addr=localhost:0"]).metricsAddr, { host: "localhost", port: 0 });
  });

  it("throws at once when a default of the declaration itself is wrong", () => {
    const broken = defineFlags({ wait: { kind: "duration", default: "soon", help: "x" } });
    assert.equal(parseFlags(broken, [], {}).kind, "error");
  });
});

describe("formatHelp", () => {
  it("lists every flag, aligned, with defaults and limits", () => {
    const text = formatHelp("tote agent [flags]", "Runs the agent.", FLAGS);
    assert.match(text, /^usage: tote agent \[flags\]\n\nRuns the agent\.\n\nflags:\n/);
    const lines = text.split("\n").filter((line) => line.startsWith("  --"));
    assert.equal(lines.length, Object.keys(FLAGS).length + 1);
    assert.ok(text.includes("port of the RPC server (at least 1, at most 65535, default 9090)"));
    assert.ok(text.includes("name of this node (required)"));
    assert.ok(text.includes("no TLS (default false)"));
    const columns = new Set(lines.map((line) => /^ {2}--\S+(?: \S+)? +/.exec(line)?.[0].length));
    assert.equal(columns.size, 1, "help texts start in one column");
    assert.ok(text.includes("TOTE_NODE_NAME for --node-name"));
  });
});
