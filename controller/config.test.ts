import assert from "node:assert/strict";
import { test } from "node:test";

import { readControllerConfig, type ControllerConfig } from "./config.ts";
import { TRANSITION_TYPES } from "./objects/salvage-record.ts";

const TLS = ["--tls-cert", "/c", "--tls-key", "/k", "--tls-ca", "/a"];

/** A command line as the original's chart writes it. */
const ORIGINAL =
  "--enabled=false --metrics-addr=:9999 --max-concurrent-salvages=2 --session-ttl=5m0s --agent-namespace=tote --agent-grpc-port=9091 --max-image-size=0 --json-log --salvagerecord-ttl=24h --webhook-url=http://relay:8090/v1/events --webhook-events=detected,salvaged".split(
    " ",
  );

function config(...argv: string[]): ControllerConfig {
  const result = readControllerConfig(argv, {});
  assert.ok(result.kind === "config", JSON.stringify(result));
  return result.config;
}

function refusal(...argv: string[]): string {
  const result = readControllerConfig(argv, {});
  assert.ok(result.kind === "error", JSON.stringify(result));
  return result.message;
}

test("without flags it detects, and has the defaults of the original", () => {
  assert.deepEqual(config(), {
    enabled: true,
    kubeconfig: undefined,
    clusterName: undefined,
    agentNamespace: "",
    agentGrpcPort: 9090,
    agents: [],
    maxConcurrentSalvages: 0,
    maxImageBytes: 2_147_483_648,
    minFreePercent: 20,
    imageAuthorization: "repository",
    grantLifetimeMs: 5 * 60_000,
    recordTtlMs: 168 * 60 * 60_000,
    webhook: undefined,
    webhookEvents: new Set(),
    admission: undefined,
    metricsAddr: { host: "", port: 8080 },
    healthAddr: { host: "", port: 8081 },
    leaderElect: true,
    leaseNamespace: undefined,
    leaseName: "tote-controller",
    identity: undefined,
    tls: undefined,
    insecure: false,
    shutdownTimeoutMs: 20_000,
    jsonLog: "auto",
    logLevel: "info",
  });
});

test("every flag of the original that is built is taken in its form", () => {
  const original = config(...ORIGINAL, ...TLS);
  assert.equal(original.enabled, false);
  assert.equal(original.metricsAddr.port, 9999);
  assert.equal(original.maxConcurrentSalvages, 2);
  assert.equal(original.grantLifetimeMs, 300_000);
  assert.equal(original.agentNamespace, "tote");
  assert.equal(original.agentGrpcPort, 9091);
  assert.equal(original.maxImageBytes, 0);
  assert.equal(original.jsonLog, "true");
  assert.equal(original.recordTtlMs, 24 * 60 * 60_000);
  assert.equal(original.webhook?.url, "http://relay:8090/v1/events");
  assert.deepEqual(original.webhookEvents, new Set(["detected", "salvaged"]));
  assert.deepEqual(original.tls, { cert: "/c", key: "/k", ca: "/a" });
});

const UNBUILT: readonly (readonly [string, string])[] = [
  ["--backup-registry", "backup.test"],
  ["--backup-registry-secret", "creds"],
  ["--backup-registry-insecure", "true"],
  ["--registry-resolve", "true"],
  ["--registry-resolve-timeout", "10s"],
  ["--registry-resolve-ca", "/ca"],
  ["--registry-insecure", "true"],
];

for (const [flag, value] of UNBUILT) {
  test(`${flag} is refused while its feature is not built`, () => {
    const message = refusal(`${flag}=${value}`);
    assert.ok(message.startsWith(`${flag}: `), message);
    assert.match(message, /not built yet: leave the flag out$/);
    const twin = { [`TOTE_${flag.slice(2).toUpperCase().replaceAll("-", "_")}`]: value };
    assert.equal(readControllerConfig([], twin).kind, "error");
  });
}

test("such a flag that says off is no matter", () => {
  config(
    "--backup-registry=",
    "--registry-resolve=false",
    "--registry-resolve-timeout=5s",
    "--registry-insecure=false",
  );
});

test("agents need certificates or --insecure, detection alone does not", () => {
  assert.match(refusal("--agent-namespace", "tote"), /--tls-cert, --tls-key and --tls-ca: all three/);
  assert.match(refusal("--tls-cert", "/c"), /all three/);
  assert.match(refusal("--insecure", ...TLS), /--insecure: excludes/);
  assert.equal(config("--insecure", "--agent-namespace", "tote").tls, undefined);
  assert.equal(config("--agent-namespace", "tote", ...TLS).tls?.cert, "/c");
});

test("agents by hand are nodes and URLs", () => {
  const { agents } = config("--agents", "node-a=https://10.0.0.1:9090,node-b=https://[fd00::1]:9090", ...TLS);
  assert.deepEqual(
    agents.map(({ node, endpoint }) => [node, endpoint.url]),
    [
      ["node-a", "https://10.0.0.1:9090"],
      ["node-b", "https://[fd00::1]:9090"],
    ],
  );
  assert.equal(config("--agents", "a=http://localhost:9090", "--insecure").agents.length, 1);
});

const BAD_AGENTS: readonly (readonly [string, RegExp])[] = [
  ["node-a", /--agents: "node-a" is not allowed, must be NODE=URL/],
  ["=https://10.0.0.1:9090", /must be NODE=URL/],
  ["Node=https://10.0.0.1:9090", /must be NODE=URL/],
  ["a=http://10.0.0.1:9090", /--agents a: .* is not https/],
  ["a=https://example.com:9090", /--agents a: .* not an IP address/],
  ["a=https://10.0.0.1:9090,a=https://10.0.0.2:9090", /--agents: node a is there twice/],
];

for (const [agents, reason] of BAD_AGENTS) {
  test(`--agents ${agents} is refused`, () => {
    assert.match(refusal("--agents", agents, ...TLS), reason);
  });
}

test("without a filter the relay is told everything, without a relay nothing", () => {
  assert.deepEqual(
    config("--webhook-url=https://relay:8090/v1/events").webhookEvents,
    new Set(TRANSITION_TYPES),
  );
  assert.deepEqual(config("--webhook-events=detected").webhookEvents, new Set());
});

test("the relay's URL is checked and never repeated, it may hold a secret", () => {
  for (const url of ["relay", "ftp://relay/s3cret", "https://user:s3cret@relay/x", "//s3cret"]) {
    const message = refusal(`--webhook-url=${url}`);
    assert.match(message, /^--webhook-url: /);
    assert.ok(!message.includes("s3cret"), message);
  }
  assert.match(refusal("--webhook-token-file=/t"), /--webhook-token-file: needs --webhook-url/);
  assert.match(refusal("--webhook-ca=/t"), /--webhook-ca: needs --webhook-url/);
  assert.deepEqual(
    config("--webhook-url=https://r/v1/events", "--webhook-token-file=/t", "--webhook-ca=/c").webhook,
    {
      url: "https://r/v1/events",
      tokenFile: "/t",
      caFile: "/c",
    },
  );
});

const BAD: readonly (readonly [string, RegExp])[] = [
  ["--image-authorization=none", /--image-authorization: "none" .* repository, strict, off/],
  ["--min-free-percent=100", /--min-free-percent: "100"/],
  ["--max-concurrent-salvages=-1", /--max-concurrent-salvages: "-1"/],
  ["--session-ttl=1s", /--session-ttl: "1s" .* at least 10s/],
  ["--webhook-events=lost", /--webhook-events: "lost"/],
  ["--max-image-sise=1", /--max-image-sise: unknown flag, did you mean --max-image-size\?/],
];

for (const [flag, reason] of BAD) {
  test(`${flag} stops the start with the flag, the value and what is allowed`, () => {
    assert.match(refusal(flag), reason);
  });
}

test("the help names every flag", () => {
  const result = readControllerConfig(["--help"], {});
  assert.ok(result.kind === "help");
  for (const flag of [
    "--enabled",
    "--agents",
    "--image-authorization",
    "--backup-registry",
    "--lease-name",
  ]) {
    assert.ok(result.text.includes(flag), flag);
  }
});

test("annotations are validated over TLS or not at all", () => {
  const files = ["--webhook-tls-cert", "/w.crt", "--webhook-tls-key", "/w.key"];
  assert.deepEqual(config(...TLS, "--webhook-listen=:9443", ...files).admission, {
    listen: { host: "", port: 9443 },
    tls: { cert: "/w.crt", key: "/w.key", ca: "/a" },
  });
  assert.match(refusal(...TLS, "--webhook-listen=:9443"), /^--webhook-listen: needs --webhook-tls-cert/);
  assert.match(refusal(...files), /^--webhook-tls-cert: needs --webhook-listen/);
});
