import assert from "node:assert/strict";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { createCleanup } from "../harness/cleanup.ts";
import { isDebian, usesApt } from "./apt.ts";
import { excuseFor, isInstallable } from "./excuse.ts";
import { BROWSER, isStatic, missingRequirements, requirements } from "./requirements.ts";

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
  const path = join(directory, "os-release");
  const uses = async (text: string): Promise<boolean> => {
    await writeFile(path, text);
    return usesApt(path);
  };
  assert.equal(await uses('PRETTY_NAME="Debian"\nID=debian\n'), true);
  assert.equal(await uses('ID=linuxmint\nID_LIKE="ubuntu debian"\n'), true);
  assert.equal(await uses('ID="rocky"\nID_LIKE="rhel centos fedora"\nHOME="https://debian.org"\n'), false);
  assert.equal(await usesApt(join(directory, "none")), false);
  await writeFile(path, "NAME=x\nID=debian\n");
  assert.equal(await isDebian(path), true);
  await writeFile(path, "ID=ubuntu\nID_LIKE=debian\n");
  assert.equal(await isDebian(path), false);
  assert.equal(await isDebian(join(directory, "none")), false);
});

void test("a package that apt has not, or has as an empty one that sends to a snap, cannot be installed", () => {
  const policy = (candidate: string): string =>
    `chromium:\n  Installed: (none)\n  Candidate: ${candidate}\n  Version table:\n`;
  assert.equal(isInstallable(policy("120.0.6099.224-1~deb12u1")), true);
  assert.equal(isInstallable(policy("2:1snap1-0ubuntu2")), false);
  assert.equal(isInstallable(policy("(none)")), false);
  // what Ubuntu says of a package that nothing mentions
  assert.equal(isInstallable(""), false);
});

void test("the demo needs nothing that only other tests do", () => {
  const others = new Set(["chromium", "promtool", "unzip"]);
  const of = (part: string) => requirements.filter((requirement) => requirement.part === part);
  assert.deepEqual(
    of("nodes").filter(({ program }) => others.has(program)),
    [],
  );
  assert.equal(of("test").filter(({ program }) => others.has(program)).length, others.size);
});

void test("only a machine whose apt lacks the package may go without it, and neither Debian nor CI", async (t) => {
  const directory = createCleanup(t).directory();
  const nowhere = { ...BROWSER, program: "no-such-program", debianPackage: "no-such-package" };
  const ubuntu = join(directory, "ubuntu");
  await writeFile(ubuntu, "ID=ubuntu\nID_LIKE=debian\n");
  const debian = join(directory, "debian");
  await writeFile(debian, "ID=debian\n");
  const environment = { PATH: directory };
  assert.equal(
    await excuseFor(nowhere, { environment, osRelease: ubuntu }),
    "apt has no package no-such-package here: the relay's page is not tested in a browser",
  );
  const { skipped: _, ...required } = nowhere;
  const there = { ...nowhere, program: ubuntu };
  const packaged = { ...nowhere, debianPackage: "bash" };
  for (const one of [required, there, packaged]) {
    assert.equal(await excuseFor(one, { environment, osRelease: ubuntu }), undefined);
  }
  assert.equal(await excuseFor(nowhere, { environment, osRelease: debian }), undefined);
  assert.equal(
    await excuseFor(nowhere, { environment: { ...environment, CI: "true" }, osRelease: ubuntu }),
    undefined,
  );
});
