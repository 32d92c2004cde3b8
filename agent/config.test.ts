import assert from "node:assert/strict";
import { test } from "node:test";

import { readAgentConfig, type AgentConfig } from "./config.ts";

const TLS = ["--tls-cert", "/c", "--tls-key", "/k", "--tls-ca", "/a"];

function config(...argv: string[]): AgentConfig {
  const result = readAgentConfig(["--node-name", "a", ...argv], {});
  assert.ok(result.kind === "config", JSON.stringify(result));
  return result.config;
}

function refusal(...argv: string[]): string {
  const result = readAgentConfig(argv, {});
  assert.ok(result.kind === "error", JSON.stringify(result));
  return result.message;
}

test("with TLS it listens everywhere, with --insecure on loopback", () => {
  assert.equal(config(...TLS).bindAddress, "");
  assert.deepEqual(config(...TLS).tls, { cert: "/c", key: "/k", ca: "/a" });
  assert.equal(config("--insecure").bindAddress, "127.0.0.1");
  assert.equal(config("--insecure").tls, undefined);
});

test("without TLS and without --insecure it does not start", () => {
  assert.match(refusal("--node-name", "a"), /--tls-cert, --tls-key and --tls-ca: all three are required/);
  assert.match(refusal("--node-name", "a", "--tls-cert", "/c", "--tls-key", "/k"), /all three/);
  assert.match(refusal("--node-name", "a", "--insecure", "--tls-ca", "/a"), /excludes/);
});

test("--insecure beyond loopback needs a second flag", () => {
  assert.match(
    refusal("--node-name", "a", "--insecure", "--bind-address", "10.0.0.1"),
    /10\.0\.0\.1 is not loopback/,
  );
  assert.equal(
    config("--insecure", "--insecure-bind-any", "--bind-address", "10.0.0.1").bindAddress,
    "10.0.0.1",
  );
  assert.equal(config("--insecure", "--insecure-bind-any").bindAddress, "");
  assert.equal(config("--insecure", "--bind-address", "::1").bindAddress, "::1");
});

test("every flag has its twin in the environment", () => {
  const result = readAgentConfig([], {
    TOTE_NODE_NAME: "b",
    TOTE_INSECURE: "true",
    TOTE_ORPHAN_GRACE: "3s",
    TOTE_MAX_BANDWIDTH: "10Mi",
  });
  assert.ok(result.kind === "config");
  assert.equal(result.config.nodeName, "b");
  assert.equal(result.config.orphanGraceMs, 3_000);
  assert.equal(result.config.maxBandwidth, 10 * 1024 * 1024);
});

test("a bandwidth that is too low for all streams is refused, and 0 is none", () => {
  assert.equal(config("--insecure", "--max-bandwidth", "0").maxBandwidth, 0);
  assert.equal(config("--insecure", "--max-bandwidth", "128Ki").maxBandwidth, 131_072);
  assert.match(
    refusal("--node-name", "a", "--insecure", "--max-bandwidth", "127Ki"),
    /^--max-bandwidth: 130048 bytes per second are too few for 64 streams, must be at least 128Ki, or 0/,
  );
});

test("a missing node name, an unknown flag and a bad port are told by name", () => {
  assert.match(refusal("--insecure"), /--node-name/);
  assert.match(refusal("--node-name", "a", "--insecure", "--grpc-prot", "1"), /--grpc-prot/);
  assert.match(refusal("--node-name", "a", "--insecure", "--grpc-port", "70000"), /70000/);
});
