import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { createLogger, logFormat } from "./log.ts";
import type { LoggerOptions } from "./log.ts";
import { isSecretName } from "./redact.ts";

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5, 678);

function recorder(options: Partial<LoggerOptions> = {}) {
  const lines: string[] = [];
  const logger = createLogger({
    name: "agent",
    level: "debug",
    format: "json",
    now: () => NOW,
    write: (line) => lines.push(line),
    ...options,
  });
  return { logger, lines };
}

function field(value: unknown): unknown {
  const { logger, lines } = recorder();
  logger.info("m", { value });
  const line: unknown = JSON.parse(lines[0] ?? "");
  return typeof line === "object" && line !== null && "value" in line ? line.value : undefined;
}

describe("createLogger", () => {
  it("writes one JSON object per line with level, ts, logger and msg first", () => {
    const { logger, lines } = recorder();
    logger.info("image imported", { bytes: 12 });
    assert.deepEqual(lines, [
      '{"level":"info","ts":"2026-01-02T03:04:05.678Z","logger":"agent","msg":"image imported","bytes":12}\n',
    ]);
  });

  it("leaves out what is below its level", () => {
    const { logger, lines } = recorder({ level: "warn" });
    logger.debug("a");
    logger.info("b");
    logger.warn("c");
    logger.error("d");
    assert.deepEqual(
      lines.map((line) => /"msg":"(.)"/.exec(line)?.[1]),
      ["c", "d"],
    );
  });

  it("gives a child the parent's name and fields", () => {
    const { logger, lines } = recorder();
    logger.child("import", { digest: "d", node: "a" }).child("layer", { node: "b" }).warn("slow");
    assert.deepEqual(JSON.parse(lines[0] ?? ""), {
      level: "warn",
      ts: "2026-01-02T03:04:05.678Z",
      logger: "agent.import.layer",
      msg: "slow",
      digest: "d",
      node: "b",
    });
  });

  it("does not let a field replace level, ts, logger or msg", () => {
    const { logger, lines } = recorder();
    logger.info("m", { level: "x", msg: "y" });
    assert.match(lines[0] ?? "", /^\{"level":"info",.*"msg":"m","field_level":"x","field_msg":"y"\}\n$/);
  });

  it("flattens an error to its message and causes", () => {
    const cause = new Error("connect ECONNREFUSED", { cause: new Error("refused") });
    assert.equal(
      field(new Error("source failed", { cause })),
      "source failed: connect ECONNREFUSED: refused",
    );
    assert.equal(field({ nested: new TypeError("x") }) instanceof Object, true);
    assert.equal(field(new AggregateError([new Error("a"), new Error("b")], "both")), "both: a; b");
  });

  it("redacts fields by the last word of their name, at any depth", () => {
    const { logger, lines } = recorder();
    logger.info("m", {
      grant: "g-1",
      webhookToken: "t-2",
      client_secret: "s-3",
      headers: { Authorization: "b-4", list: [{ "tls-key": "k-5" }] },
      map: new Map([["password", "p-6"]]),
      tokenCount: 7,
      secret: undefined,
    });
    const text = lines.join("");
    assert.doesNotMatch(text, /[gtsbkp]-\d/);
    assert.equal(text.match(/\[redacted\]/g)?.length, 6);
    assert.match(text, /"tokenCount":7/);
  });

  it("redacts private keys and signed tokens wherever they appear", () => {
    const { logger, lines } = recorder();
    const jws = "eyJhbGciOiJFUzI1NiJ9.eyJvcCI6ImltcG9ydCJ9.c2lnbmF0dXJl";
    const pem = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----";
    logger.error(`bad ${jws}`, { error: new Error(`got ${jws}`), text: `x ${pem} y` });
    assert.doesNotMatch(lines.join(""), /c2lnbmF0dXJl|MHcCAQEE/);
    assert.match(lines.join(""), /"text":"x \[redacted\] y"/);
  });

  it("writes bigint, bytes, dates, sets, infinities and functions", () => {
    assert.equal(field(12n), 12);
    assert.equal(field(2n ** 63n), "9223372036854775808");
    assert.equal(field(new Uint8Array(5)), "[5 bytes]");
    assert.equal(field(new Date(NOW)), "2026-01-02T03:04:05.678Z");
    assert.equal(field(new Date(Number.NaN)), "[invalid date]");
    assert.deepEqual(field(new Set(["a"])), ["a"]);
    assert.equal(field(Number.POSITIVE_INFINITY), "Infinity");
    assert.equal(
      field(() => 1),
      "[function]",
    );
    assert.equal(field(null), null);
  });

  it("cuts circular, deep, long and wide values", () => {
    const circular: Record<string, unknown> = {};
    circular["self"] = circular;
    assert.deepEqual(field(circular), { self: "[circular]" });
    let deep: unknown = "x";
    for (let level = 0; level < 20; level += 1) deep = { deep };
    assert.match(JSON.stringify(field(deep)), /\[too deep\]/);
    assert.match(String(field("x".repeat(10_000))), /\[1808 more characters\]$/);
    const wide = field(Array.from({ length: 150 }, () => 1));
    assert.equal(Array.isArray(wide) ? wide.at(-1) : undefined, "[50 more]");
  });

  it("lets the same object appear twice side by side", () => {
    const shared = { a: 1 };
    assert.deepEqual(field([shared, shared]), [{ a: 1 }, { a: 1 }]);
  });

  it("never throws: on a getter that throws, or a stream that fails", () => {
    const hostile = {
      get bad(): string {
        throw new Error("no");
      },
    };
    assert.equal(field(hostile), "[cannot be logged: no]");
    let fail = true;
    const lines: string[] = [];
    const { logger } = recorder({
      write(line) {
        if (fail) throw new Error("EPIPE");
        lines.push(line);
      },
    });
    logger.info("lost");
    logger.info("lost too");
    fail = false;
    logger.info("seen");
    logger.info("and on");
    assert.match(lines[0] ?? "", /"msg":"seen","droppedLines":2/);
    assert.doesNotMatch(lines[1] ?? "", /droppedLines/);
  });

  it("writes text for people, with control characters made visible", () => {
    const { logger, lines } = recorder({ format: "text" });
    logger.warn("pull failed\u001b[31m", {
      image: "docker.io/library/nginx:1",
      note: "two words\n",
      n: 3,
      none: undefined,
    });
    assert.equal(
      lines[0],
      '2026-01-02T03:04:05.678Z WARN  agent: pull failed\\u001b[31m image=docker.io/library/nginx:1 note="two words\\n" n=3\n',
    );
  });
});

describe("logFormat", () => {
  it("follows the choice, and the terminal when that is auto", () => {
    assert.equal(logFormat("auto", true), "text");
    assert.equal(logFormat("auto", false), "json");
    assert.equal(logFormat("true", true), "json");
    assert.equal(logFormat("false", false), "text");
  });
});

describe("isSecretName", () => {
  for (const name of [
    "token",
    "apiKey",
    "TLS_KEY",
    "x-webhook-secret",
    "Authorization",
    "exportGrant",
    "keys",
  ]) {
    it(`holds for ${name}`, () => assert.equal(isSecretName(name), true));
  }
  for (const name of ["digest", "tokenCount", "keyword", "monkey", "grantId", ""]) {
    it(`does not hold for ${JSON.stringify(name)}`, () => assert.equal(isSecretName(name), false));
  }
});
