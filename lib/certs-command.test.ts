import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";

import { runCertsCommand } from "./certs-command.ts";
import { createAuthority } from "./certs.ts";
import { ALL_ROLES, roleOfCertificate } from "./roles.ts";
import { loadTlsMaterial } from "./tls.ts";

const NOW = Date.now();
const DAY = 86_400_000;
const SIGNAL = new AbortController().signal;

let root: string;
let dir: string;
let count = 0;

before(async () => {
  root = await mkdtemp(join(tmpdir(), "tote-certs-"));
});

after(async () => {
  await rm(root, { recursive: true });
});

beforeEach(() => {
  count += 1;
  dir = join(root, `run-${count}`, "below");
});

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const context = {
    print: (text: string) => void (out += text),
    printError: (text: string) => void (err += text),
    now: () => NOW,
  };
  const code = await runCertsCommand(["--dir", dir, ...argv], {}, context);
  return { code, out, err };
}

function load(role: string) {
  const folder = join(dir, role);
  return loadTlsMaterial(
    { cert: join(folder, "tls.crt"), key: join(folder, "tls.key"), ca: join(folder, "ca.crt") },
    SIGNAL,
  );
}

describe("tote certs", () => {
  it("makes a CA and usable material for every role, with keys for their owner only", async () => {
    const { code, out, err } = await run();
    assert.deepEqual([code, err], [0, ""]);
    assert.equal(out.trim().split("\n").length, 2 + 3 * ALL_ROLES.length + 1);
    const ca = new X509Certificate(await readFile(join(dir, "ca.crt")));
    for (const role of ALL_ROLES) {
      const certificate = new X509Certificate((await load(role)).cert);
      assert.equal(roleOfCertificate(certificate), role);
      assert.ok(certificate.checkIssued(ca) && certificate.verify(ca.publicKey) && !certificate.ca);
      assert.equal((await stat(join(dir, role, "tls.key"))).mode & 0o777, 0o600);
    }
    assert.equal((await stat(join(dir, "ca.key"))).mode & 0o777, 0o600);
    assert.deepEqual((await readdir(dir)).toSorted(), ["ca.crt", "ca.key", ...ALL_ROLES].toSorted());
  });

  it("makes certificates valid from a little before now, for the days asked, with the addresses asked", async () => {
    const { code, out } = await run("--roles=tote-agent", "--days=30", "--ip=10.0.0.1,fd00::1");
    assert.equal(code, 0);
    const certificate = new X509Certificate((await load("tote-agent")).cert);
    assert.ok(Date.parse(certificate.validFrom) <= NOW - 5 * 60_000);
    assert.ok(Math.abs(Date.parse(certificate.validTo) - NOW - 30 * DAY) < 2000);
    assert.match(certificate.subjectAltName ?? "", /IP Address:10\.0\.0\.1/);
    assert.match(out, new RegExp(`valid until ${new Date(NOW + 30 * DAY).toISOString()}`));
    assert.deepEqual((await readdir(dir)).toSorted(), ["ca.crt", "ca.key", "tote-agent"]);
  });

  it("gives every certificate another serial number", async () => {
    await run();
    const serials = await Promise.all(
      ALL_ROLES.map(async (role) => new X509Certificate((await load(role)).cert).serialNumber),
    );
    assert.equal(new Set(serials).size, ALL_ROLES.length);
  });

  it("adds a role later with the CA that is there", async () => {
    await run("--roles=tote-agent");
    const ca = await readFile(join(dir, "ca.crt"), "utf8");
    const { code, out } = await run("--roles=tote-operator");
    assert.equal(code, 0);
    assert.match(out, /signed by the CA in/);
    assert.equal((await load("tote-operator")).ca, ca);
  });

  it("replaces nothing without --force, and says what is there", async () => {
    await run("--roles=tote-agent");
    const old = await load("tote-agent");
    const { code, err } = await run("--roles=tote-operator,tote-agent");
    assert.equal(code, 1);
    assert.match(err, /^tote certs: .*tote-agent\/tls\.crt.* exists already, use --force to replace it\n$/);
    assert.deepEqual(await load("tote-agent"), old);
    assert.equal((await readdir(dir)).includes("tote-operator"), false, "nothing is written");
  });

  it("replaces certificates with --force, but never the CA", async () => {
    await run("--roles=tote-agent");
    const old = await load("tote-agent");
    assert.equal((await run("--roles=tote-agent", "--force")).code, 0);
    const now = await load("tote-agent");
    assert.notEqual(now.key, old.key);
    assert.equal(now.ca, old.ca);
    assert.equal((await stat(join(dir, "tote-agent", "tls.key"))).mode & 0o777, 0o600);
  });

  it("does not make certificates that outlive the CA", async () => {
    await run("--roles=tote-agent");
    const shortLived = await createAuthority({ commonName: "x", notBefore: NOW - DAY, notAfter: NOW + DAY });
    await writeFile(join(dir, "ca.crt"), shortLived.cert);
    await writeFile(join(dir, "ca.key"), shortLived.key);
    assert.equal((await run("--roles=tote-relay")).code, 0);
    const certificate = new X509Certificate((await load("tote-relay")).cert);
    assert.ok(Date.parse(certificate.validTo) <= NOW + DAY);
  });

  it("refuses a CA that is incomplete, broken or expired", async () => {
    await run("--roles=tote-agent");
    const expired = await createAuthority({ commonName: "x", notBefore: NOW - 2 * DAY, notAfter: NOW - DAY });
    await writeFile(join(dir, "ca.key"), expired.key);
    assert.match((await run("--roles=tote-relay")).err, /ca\.key does not belong to the certificate/);
    await writeFile(join(dir, "ca.crt"), expired.cert);
    assert.match((await run("--roles=tote-relay")).err, /ca\.crt expired on/);
    await rm(join(dir, "ca.key"));
    const { code, err } = await run("--roles=tote-relay");
    assert.equal(code, 1);
    assert.match(err, /ca\.crt exists but .*ca\.key does not/);
  });

  it("answers a mistake on the command line with one line and 2", async () => {
    for (const [argv, message] of [
      [["--roles=tote-king"], /--roles: "tote-king" is not allowed, must be one of tote-controller/],
      [["--days=0"], /--days: "0" is not allowed, must be a whole number from 1 up to 3650/],
      [["--ip=localhost"], /--ip: "localhost" is not an IP address/],
    ] as const) {
      const { code, err } = await run(...argv);
      assert.equal(code, 2);
      assert.match(err, message);
      assert.equal(err.trim().split("\n").length, 1);
    }
    const context = { print: assert.fail, printError: () => undefined, now: () => NOW };
    assert.equal(await runCertsCommand([], {}, context), 2);
  });

  it("prints its help", async () => {
    const { code, out } = await run("--help");
    assert.equal(code, 0);
    assert.match(out, /^usage: tote certs --dir DIR/);
    assert.match(
      out,
      /--days NUMBER +days that the certificates are valid \(at least 1, at most 3650, default 365\)/,
    );
  });
});
