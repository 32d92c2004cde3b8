import assert from "node:assert/strict";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { createCleanup } from "../harness/cleanup.ts";
import { usesApt } from "./apt.ts";
import { isStatic, missingRequirements } from "./requirements.ts";

void test("a program that is not on PATH is missing, for the parts asked only", async (t) => {
  const directory = createCleanup(t).directory();
  await writeFile(join(directory, "here"), "");
  await chmod(join(directory, "here"), 0o755);
  const all = [
    { part: "test", program: "here", debianPackage: "p" },
    { part: "test", program: "gone", debianPackage: "q" },
    { part: "bench", program: "also-gone", debianPackage: "r" },
  ] as const;
  const missing = async (parts: ("test" | "bench")[]) =>
    (await missingRequirements(parts, `/nonexistent:${directory}`, all)).map(
      (requirement) => requirement.program,
    );
  assert.deepEqual(await missing(["test"]), ["gone"]);
  assert.deepEqual(await missing(["test", "bench"]), ["gone", "also-gone"]);
});

void test("a dynamic program does not do where a static one is asked for", async () => {
  assert.deepEqual([await isStatic("/bin/busybox"), await isStatic(process.execPath)], [true, false]);
  const all = [{ part: "test", program: process.execPath, debianPackage: "p", static: true }] as const;
  assert.equal((await missingRequirements(["test"], "", all)).length, 1);
});

void test("Debian, Ubuntu and those like them use apt, others do not", async (t) => {
  const directory = createCleanup(t).directory();
  const uses = async (text: string): Promise<boolean> => {
    const path = join(directory, "os-release");
    await writeFile(path, text);
    return usesApt(path);
  };
  assert.equal(await uses('PRETTY_NAME="Debian"\nID=debian\n'), true);
  assert.equal(await uses('ID=linuxmint\nID_LIKE="ubuntu debian"\n'), true);
  assert.equal(await uses('ID="rocky"\nID_LIKE="rhel centos fedora"\nHOME="https://debian.org"\n'), false);
  assert.equal(await usesApt(join(directory, "none")), false);
});
