import assert from "node:assert/strict";
import { test } from "node:test";

import { readRelayConfig, type RelayConfig } from "./config.ts";

const REQUIRED = ["--config", "/c", "--data-dir", "/d", "--token-file", "/t"];

function configOf(...more: readonly string[]): RelayConfig {
  const result = readRelayConfig([...REQUIRED, ...more], {});
  assert.ok(result.kind === "config", JSON.stringify(result));
  return result.config;
}

function errorOf(argv: readonly string[]): string {
  const result = readRelayConfig(argv, {});
  return result.kind === "error" ? result.message : `no error but ${result.kind}`;
}

test("three flags are enough, and then it listens on loopback", () => {
  const config = configOf();
  assert.deepEqual(config.listen, { host: "127.0.0.1", port: 8090 });
  assert.equal(config.tls, undefined);
  assert.equal(config.retention.eventsMs, 7 * 24 * 3_600_000);
  assert.deepEqual(config.tokenFiles, { ingest: "/t", read: undefined, admin: undefined });
});

test("a missing or wrong flag is named with what is allowed", () => {
  assert.match(errorOf(REQUIRED.slice(2)), /^--config: is required/);
  assert.match(errorOf(REQUIRED.slice(0, 4)), /^--token-file: is required/);
  assert.match(
    errorOf([...REQUIRED, "--max-db-size", "1k"]),
    /^--max-db-size: "1k" is not allowed, must be at least 16Mi/,
  );
  assert.match(errorOf([...REQUIRED, "--tls-cert", "/x"]), /^--tls-key: is required/);
  assert.match(errorOf([...REQUIRED, "--tls-ca", "/x"]), /^--tls-ca: needs --tls-cert and --tls-key/);
  assert.match(errorOf([...REQUIRED, "--require-client-cert"]), /^--require-client-cert: needs/);
});

test("clients are asked for a certificate only when events need one", () => {
  const tls = ["--tls-cert", "/c", "--tls-key", "/k", "--tls-ca", "/ca"];
  assert.deepEqual(configOf(...tls).tls, { cert: "/c", key: "/k", ca: undefined });
  assert.deepEqual(configOf(...tls, "--require-client-cert").tls, { cert: "/c", key: "/k", ca: "/ca" });
});

test("without TLS it listens beyond loopback only when told so", () => {
  for (const address of [":8090", "0.0.0.0:8090", "10.0.0.1:1", "[::]:1", "relay.example:1"]) {
    assert.match(errorOf([...REQUIRED, "--listen", address]), /^--listen: .* is not loopback/, address);
    assert.ok(configOf("--listen", address, "--insecure-bind-any"));
    assert.ok(configOf("--listen", address, "--tls-cert", "/c", "--tls-key", "/k").tls);
  }
  for (const address of ["127.0.0.2:1", "[::1]:1", "localhost:1"]) assert.ok(configOf("--listen", address));
});

test("the environment gives what the command line does not, and tells where the Kubernetes API is", () => {
  const env = {
    TOTE_CONFIG: "/c",
    TOTE_DATA_DIR: "/d",
    TOTE_TOKEN_FILE: "/t",
    TOTE_RETENTION: "24h",
    KUBERNETES_SERVICE_HOST: "10.96.0.1",
  };
  const result = readRelayConfig(["--retention=1h"], env);
  assert.ok(result.kind === "config");
  assert.equal(result.config.retention.eventsMs, 3_600_000);
  assert.deepEqual(result.config.alsoRefuse, ["10.96.0.1"]);
});

test("the help names every flag with its default", () => {
  const result = readRelayConfig(["--help"], {});
  assert.ok(result.kind === "help");
  assert.match(
    result.text,
    /--retention DURATION +how long delivered events are kept \(at least 1m, default 168h\)/,
  );
});
