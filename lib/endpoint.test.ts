import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { parseEndpoint } from "./endpoint.ts";
import { InvalidValueError } from "./errors.ts";

describe("parseEndpoint with TLS", () => {
  it("reads https with an IP address and a port", () => {
    assert.deepEqual(parseEndpoint("https://10.0.0.7:9090", { insecure: false }), {
      url: "https://10.0.0.7:9090",
      host: "10.0.0.7",
      port: 9090,
      secure: true,
    });
    assert.deepEqual(parseEndpoint("https://[fd00::7]:443", { insecure: false }), {
      url: "https://[fd00::7]:443",
      host: "fd00::7",
      port: 443,
      secure: true,
    });
  });

  for (const value of [
    "",
    "10.0.0.7:9090",
    "//10.0.0.7:9090",
    "http://10.0.0.7:9090",
    "HTTPS://10.0.0.7:9090",
    "unix:///run/x.sock",
    "https://10.0.0.7",
    "https://10.0.0.7:",
    "https://10.0.0.7:0",
    "https://10.0.0.7:65536",
    "https://10.0.0.7:09090",
    "https://10.0.0.7:9090/",
    "https://10.0.0.7:9090/path",
    "https://10.0.0.7:9090?x=1",
    "https://10.0.0.7:9090#x",
    "https://10.0.0.7:9090\\@evil.example:1",
    "https://user@10.0.0.7:9090",
    "https://user:pw@10.0.0.7:9090",
    "https://node-a:9090",
    "https://localhost:9090",
    "https://0x7f.1:9090",
    "https://127.1:9090",
    "https://2130706433:9090",
    "https://010.0.0.7:9090",
    "https://fd00::7:9090",
    "https://[fd00::7]",
    "https://[fe80::1%25eth0]:9090",
    "https://[10.0.0.7]:9090",
    "https://[:::]:9090",
    "https://10.0.0.7:9090\n",
    " https://10.0.0.7:9090",
    `https://10.0.0.7:9090/${"x".repeat(10_000)}`,
  ]) {
    it(`refuses ${JSON.stringify(value.slice(0, 60))}, naming the field`, () => {
      assert.throws(
        () => parseEndpoint(value, { insecure: false }, "sources[1].endpoint"),
        (error) =>
          error instanceof InvalidValueError &&
          error.message.startsWith("sources[1].endpoint: ") &&
          error.message.length < 500,
      );
    });
  }
});

describe("what parseEndpoint says", () => {
  for (const [value, reason] of [
    ["10.0.0.7:9090", "is not a URL"],
    ["http://10.0.0.7:9090", "is not https"],
    ["https://10.0.0.7", "has no explicit port"],
    ["https://10.0.0.7:0", "has a port that is not from 1 to 65535"],
    ["https://10.0.0.7:9090/v1", "has something after the port"],
    ["https://me@10.0.0.7:9090", "has user information"],
    ["https://node-a:9090", "has a host that is not an IP address"],
  ] as const) {
    it(`${value} ${reason}`, () => {
      assert.throws(
        () => parseEndpoint(value, { insecure: false }),
        (error) =>
          error instanceof Error &&
          error.message.startsWith(`endpoint: "${value}" ${reason}`) &&
          error.message.endsWith(", must be like https://10.0.0.7:9090"),
      );
    });
  }
});

describe("parseEndpoint without TLS", () => {
  for (const [value, host] of [
    ["http://node-a:9090", "node-a"],
    ["http://localhost:9090", "localhost"],
    ["http://10.0.0.7:9090", "10.0.0.7"],
    ["http://[::1]:9090", "::1"],
  ] as const) {
    it(`reads ${value}`, () => {
      const endpoint = parseEndpoint(value, { insecure: true });
      assert.deepEqual(endpoint, { url: value, host, port: 9090, secure: false });
    });
  }
  for (const value of [
    "https://10.0.0.7:9090",
    "http://node-a",
    "http://-a:9090",
    "http://a b:9090",
    "http://:9090",
  ]) {
    it(`refuses ${JSON.stringify(value)}`, () => {
      assert.throws(() => parseEndpoint(value, { insecure: true }), InvalidValueError);
    });
  }
});
