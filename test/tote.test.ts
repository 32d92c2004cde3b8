import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { execPath } from "node:process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import { main } from "../tote.ts";

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const code = await main(
    argv,
    {},
    {
      print: (text) => void (out += text),
      printError: (text) => void (err += text),
      now: () => 0,
    },
  );
  return { code, out, err };
}

describe("tote", () => {
  it("prints the version of package.json, as text and as JSON", async () => {
    const contents: unknown = JSON.parse(await readFile(new URL("../package.json", import.meta.url), "utf8"));
    assert.ok(typeof contents === "object" && contents !== null && "version" in contents);
    assert.deepEqual(await run("version"), { code: 0, out: `tote ${String(contents.version)}\n`, err: "" });
    assert.deepEqual(JSON.parse((await run("version", "--json")).out), { version: contents.version });
    assert.equal((await run("version", "--xml")).code, 2);
  });

  it("lists its commands", async () => {
    for (const word of ["--help", "-h", "help"]) {
      const { code, out } = await run(word);
      assert.equal(code, 0);
      for (const command of ["controller", "agent", "webhook-relay", "doctor", "certs", "version"])
        assert.match(out, new RegExp(`^  ${command} `, "m"));
    }
  });

  it("answers an unknown command with one line and 2", async () => {
    assert.deepEqual(await run("dance"), {
      code: 2,
      out: "",
      err: 'tote: "dance" is not a command, must be controller, agent, webhook-relay, doctor, certs or version, see tote --help\n',
    });
  });

  it("hands flags on to certs and agent", async () => {
    assert.match((await run("certs", "--help")).out, /^usage: tote certs/);
    assert.match((await run("certs", "--colour")).err, /^tote certs: --colour: unknown flag/);
  });

  it("hands flags on to doctor", async () => {
    const { code, out } = await run("doctor", "--help");
    assert.equal(code, 0);
    assert.match(out, /^usage: tote doctor/);
    const bad = await run("doctor", "--output", "xml");
    assert.equal(bad.code, 2);
    assert.match(bad.err, /^tote doctor: --output: "xml" is not allowed/);
  });

  it("runs as a program, with the exit code of the command", () => {
    const script = fileURLToPath(new URL("../tote.ts", import.meta.url));
    const good = spawnSync(execPath, [script, "version"], { encoding: "utf8" });
    assert.equal(good.status, 0, good.stderr);
    assert.match(good.stdout, /^tote \d/);
    const bad = spawnSync(execPath, [script, "agent", "--no-such-flag"], { encoding: "utf8" });
    assert.equal(bad.status, 2, bad.stderr);
    assert.match(bad.stderr, /^tote agent: --no-such-flag: unknown flag/);
    assert.equal(bad.stderr.trim().split("\n").length, 1);
  });

  it("is the controller without a command, and with that name", () => {
    const script = fileURLToPath(new URL("../tote.ts", import.meta.url));
    for (const argv of [["--no-such-flag"], ["controller", "--no-such-flag"]]) {
      const { status, stderr } = spawnSync(execPath, [script, ...argv], { encoding: "utf8" });
      assert.equal(status, 2, stderr);
      assert.match(stderr, /^tote: --no-such-flag: unknown flag/);
    }
  });
});
