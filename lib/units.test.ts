import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { InvalidValueError } from "./errors.ts";
import { formatDuration, formatExactSize, formatSize, parseDuration, parseSize } from "./units.ts";

describe("parseDuration", () => {
  const table: readonly (readonly [string, number])[] = [
    ["0", 0],
    ["0s", 0],
    ["5m", 300_000],
    ["1h30m", 5_400_000],
    ["168h", 604_800_000],
    ["250ms", 250],
    ["1.5s", 1500],
    [".5s", 500],
    ["1.s", 1000],
    ["500us", 0.5],
    ["500µs", 0.5],
    ["500μs", 0.5],
    ["1000000ns", 1],
    ["1h0m0s", 3_600_000],
    ["0.1s0.2s", 300],
    ["1m1m", 120_000],
  ];
  for (const [value, expected] of table) {
    it(`reads ${value} as ${expected} ms`, () => assert.equal(parseDuration(value), expected));
  }
  for (const value of [
    "",
    "5",
    "m",
    "5 m",
    "5d",
    "-5m",
    "+5m",
    "1h-30m",
    "1.2.3s",
    ".s",
    "1e3s",
    "5M",
    "NaNs",
    "5m\n",
  ]) {
    it(`refuses ${JSON.stringify(value)}, naming the field`, () => {
      assert.throws(
        () => parseDuration(value, "--wait"),
        (error) => error instanceof InvalidValueError && error.message.startsWith("--wait: "),
      );
    });
  }
  it("says when only the unit is missing", () =>
    assert.throws(() => parseDuration("30"), /the unit is missing/));
  it("refuses what is longer than ten years", () =>
    assert.throws(() => parseDuration("87601h"), /at most 87600h/));
});

describe("formatDuration", () => {
  const table: readonly (readonly [number, string])[] = [
    [0, "0s"],
    [0.5, "500us"],
    [250, "250ms"],
    [999.5, "999.5ms"],
    [1000, "1s"],
    [1500, "1.5s"],
    [60_000, "1m"],
    [90_000, "1m30s"],
    [5_400_000, "1h30m"],
    [604_800_000, "168h"],
    [3_600_001, "1h0.001s"],
    [-1500, "-1.5s"],
  ];
  for (const [value, expected] of table) {
    it(`writes ${value} ms as ${expected}`, () => {
      assert.equal(formatDuration(value), expected);
      if (value >= 0) assert.equal(parseDuration(expected), value);
    });
  }
});

describe("parseSize", () => {
  const table: readonly (readonly [string, number])[] = [
    ["0", 0],
    ["2147483648", 2 ** 31],
    ["2Gi", 2 ** 31],
    ["500M", 5e8],
    ["500MB", 5e8],
    ["64KiB", 65_536],
    ["1k", 1000],
    ["1K", 1000],
    ["1.5Gi", 1.5 * 2 ** 30],
    ["1Ti", 2 ** 40],
    ["7Pi", 7 * 2 ** 50],
    ["10B", 10],
  ];
  for (const [value, expected] of table) {
    it(`reads ${value} as ${expected} bytes`, () => assert.equal(parseSize(value), expected));
  }
  for (const value of ["", "Gi", "-1", "1 Gi", "1gi", "1i", "1Xi", "1e9", "0x10", "8Pi", "1,5Gi", "1Gi\n"]) {
    it(`refuses ${JSON.stringify(value)}, naming the field`, () => {
      assert.throws(
        () => parseSize(value, "--max"),
        (error) => error instanceof InvalidValueError && error.message.startsWith("--max: "),
      );
    });
  }
});

describe("formatSize", () => {
  const table: readonly (readonly [number, string, string])[] = [
    [0, "0 B", "0"],
    [512, "512 B", "512"],
    [1023, "1023 B", "1023"],
    [1024, "1 KiB", "1Ki"],
    [1536, "1.5 KiB", "1536"],
    [2 ** 31, "2 GiB", "2Gi"],
    [5e8, "476.8 MiB", "500M"],
    [2 ** 20 - 1, "1 MiB", "1048575"],
    [3 * 2 ** 50, "3 PiB", "3Pi"],
  ];
  for (const [bytes, forPeople, exact] of table) {
    it(`writes ${bytes} as ${forPeople} for people and as ${exact} exactly`, () => {
      assert.equal(formatSize(bytes), forPeople);
      assert.equal(formatExactSize(bytes), exact);
      assert.equal(parseSize(exact), bytes);
    });
  }
});
