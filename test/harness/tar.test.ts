import assert from "node:assert/strict";
import { test } from "node:test";
import { run } from "./run.ts";
import { writeTar } from "./tar.ts";
import type { TarEntry } from "./tar.ts";

function file(path: string, text: string, mode?: number): TarEntry {
  const body = Buffer.from(text);
  return { path, kind: "file", size: body.length, body: [body], ...(mode !== undefined && { mode }) };
}

async function listing(entries: readonly TarEntry[]): Promise<readonly string[]> {
  const { stdout } = await run("tar", ["--numeric-owner", "-tvf", "-"], { input: writeTar(entries) });
  return stdout.trimEnd().split("\n");
}

void test("tar reads kinds, modes and sizes back", async () => {
  const lines = await listing([
    { path: "bin", kind: "directory", size: 0 },
    file("bin/tool", "x".repeat(513), 0o755),
    { path: "bin/link", kind: "symlink", size: 0, mode: 0o777, linkTarget: "tool" },
    file("empty", ""),
  ]);
  const words = lines.map((line) => line.split(/\s+/));
  assert.deepEqual(
    words.map(([mode, owner, size, , , ...name]) => [mode, owner, size, name.join(" ")]),
    [
      ["drwxr-xr-x", "0/0", "0", "bin/"],
      ["-rwxr-xr-x", "0/0", "513", "bin/tool"],
      ["lrwxrwxrwx", "0/0", "0", "bin/link -> tool"],
      ["-rw-r--r--", "0/0", "0", "empty"],
    ],
  );
});

void test("tar reads long paths back, split where they can be and in a pax record where not", async () => {
  const split = `${"d".repeat(90)}/${"n".repeat(90)}`;
  const whole = `${"w".repeat(200)}/${"ä".repeat(60)}`;
  const entries = [file(split, "1"), file(whole, "2"), file("after", "3")];
  const { stdout } = await run("tar", ["--quoting-style=literal", "-tf", "-"], { input: writeTar(entries) });
  assert.deepEqual(stdout.trimEnd().split("\n"), [split, whole, "after"]);
});

void test("tar reads the bytes of a body back", async () => {
  const { stdout } = await run("tar", ["-xOf", "-", "b"], {
    input: writeTar([file("a", "one"), file("b", "two")]),
  });
  assert.equal(stdout, "two");
});

void test("a body that is not as long as announced is refused", async () => {
  const entry: TarEntry = { path: "short", kind: "file", size: 5, body: [Buffer.from("1234")] };
  await assert.rejects(async () => {
    for await (const piece of writeTar([entry])) assert.ok(piece.length > 0);
  }, /cannot write tar entry "short": body of 4 bytes, 5 announced/);
});
