import assert from "node:assert/strict";
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";

import { createAuthority, issueCertificate } from "./certs.ts";
import type { Identity } from "./certs.ts";
import type { Clock } from "./clock.ts";
import { describeError } from "./errors.ts";
import { TlsReloader } from "./tls-reload.ts";
import { TlsMaterialError } from "./tls.ts";
import type { TlsFiles, TlsMaterial } from "./tls.ts";

const VALIDITY = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 3_600_000 };
const SIGNAL = new AbortController().signal;

/** A clock whose sleeps end when the test says so. */
class StepClock implements Clock {
  readonly slept: number[] = [];
  #wake: (() => void) | undefined;

  now(): number {
    return 0;
  }

  monotonic(): number {
    return 0;
  }

  async sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
    this.slept.push(milliseconds);
    await new Promise<void>((resolve, reject) => {
      this.#wake = resolve;
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
  }

  step(): void {
    this.#wake?.();
  }
}

let ca: Identity;
let first: TlsMaterial;
let second: TlsMaterial;
let folder: string;
let files: TlsFiles;
let version = 0;

before(async () => {
  ca = await createAuthority({ commonName: "tote CA", ...VALIDITY });
  first = await material();
  second = await material();
  folder = await mkdtemp(join(tmpdir(), "tote-reload-"));
  files = { cert: join(folder, "tls.crt"), key: join(folder, "tls.key"), ca: join(folder, "ca.crt") };
  await symlink("..data/tls.crt", files.cert);
  await symlink("..data/tls.key", files.key);
  await symlink("..data/ca.crt", files.ca);
});

after(async () => {
  await rm(folder, { recursive: true });
});

beforeEach(async () => {
  await publish(first);
});

async function material(): Promise<TlsMaterial> {
  return { ...(await issueCertificate(ca, { dnsNames: ["tote-agent"], ...VALIDITY })), ca: ca.cert };
}

/** Swaps the folder behind the files in one step, as the kubelet does for secret volumes. */
async function publish(contents: TlsMaterial): Promise<void> {
  version += 1;
  await mkdir(join(folder, `..v${version}`));
  await writeFile(join(folder, `..v${version}`, "tls.crt"), contents.cert);
  await writeFile(join(folder, `..v${version}`, "tls.key"), contents.key);
  await writeFile(join(folder, `..v${version}`, "ca.crt"), contents.ca);
  await symlink(`..v${version}`, join(folder, "..new"));
  await rename(join(folder, "..new"), join(folder, "..data"));
}

async function open(onChange: (changed: TlsMaterial) => void = () => undefined) {
  const changes: TlsMaterial[] = [];
  const problems: string[] = [];
  const clock = new StepClock();
  const reloader = await TlsReloader.open(
    {
      files,
      clock,
      onChange(changed) {
        onChange(changed);
        changes.push(changed);
      },
      onError: (error) => problems.push(describeError(error)),
    },
    SIGNAL,
  );
  return { reloader, changes, problems, clock };
}

describe("TlsReloader", () => {
  it("starts with what is there, and says nothing while it stays", async () => {
    const { reloader, changes, problems } = await open();
    await reloader.poll(SIGNAL);
    await publish(first);
    await reloader.poll(SIGNAL);
    assert.deepEqual(reloader.current, first);
    assert.deepEqual([changes, problems], [[], []]);
  });

  it("does not start with files that cannot be used", async () => {
    await publish({ ...first, key: second.key });
    await assert.rejects(open(), TlsMaterialError);
  });

  it("hands on a new set once", async () => {
    const { reloader, changes } = await open();
    await publish(second);
    await reloader.poll(SIGNAL);
    await reloader.poll(SIGNAL);
    assert.deepEqual(changes, [second]);
    assert.deepEqual(reloader.current, second);
  });

  it("hands on a new CA bundle alone", async () => {
    const { reloader, changes } = await open();
    const bundle = {
      ...first,
      ca: ca.cert + (await createAuthority({ commonName: "next", ...VALIDITY })).cert,
    };
    await publish(bundle);
    await reloader.poll(SIGNAL);
    assert.deepEqual(changes, [bundle]);
  });

  it("keeps the old set while certificate and key do not belong together, and says so once", async () => {
    const { reloader, changes, problems } = await open();
    await publish({ ...second, key: first.key });
    await reloader.poll(SIGNAL);
    await reloader.poll(SIGNAL);
    assert.deepEqual(reloader.current, first);
    assert.deepEqual(changes, []);
    assert.equal(problems.length, 1);
    assert.match(problems[0] ?? "", /does not belong to the certificate/);
    await publish(second);
    await reloader.poll(SIGNAL);
    assert.deepEqual(changes, [second]);
  });

  it("says each problem, and the same one again after a good time between", async () => {
    const { reloader, problems } = await open();
    await publish({ ...first, cert: "garbage" });
    await reloader.poll(SIGNAL);
    await publish({ ...first, key: "garbage" });
    await reloader.poll(SIGNAL);
    await publish(first);
    await reloader.poll(SIGNAL);
    await publish({ ...first, key: "garbage" });
    await reloader.poll(SIGNAL);
    assert.equal(problems.length, 3);
  });

  it("keeps the old set when a file is gone", async () => {
    const { reloader, problems } = await open();
    await rm(join(folder, "..data"));
    await reloader.poll(SIGNAL);
    assert.deepEqual(reloader.current, first);
    assert.match(problems[0] ?? "", /there is no such file/);
  });

  it("tries again at the next look when the set could not be put to use", async () => {
    let broken = true;
    const { reloader, changes, problems } = await open(() => {
      if (broken) throw new Error("server is busy");
    });
    await publish(second);
    await reloader.poll(SIGNAL);
    assert.deepEqual(reloader.current, first);
    assert.deepEqual(problems, ["server is busy"]);
    broken = false;
    await reloader.poll(SIGNAL);
    assert.deepEqual(changes, [second]);
  });

  it("does not take a set that changes while it is read", async () => {
    const changes: TlsMaterial[] = [];
    const halfOld = { ...second, ca: (await createAuthority({ commonName: "old", ...VALIDITY })).cert };
    const reads = [halfOld, second, second, second];
    const reloader = await TlsReloader.open(
      {
        files,
        clock: new StepClock(),
        onChange: (changed) => changes.push(changed),
        onError: (error) => assert.fail(describeError(error)),
        read: async () => reads.shift() ?? assert.fail("one read too many"),
      },
      SIGNAL,
    );
    await reloader.poll(SIGNAL);
    assert.deepEqual(changes, []);
    assert.deepEqual(reloader.current, first);
    await reloader.poll(SIGNAL);
    assert.deepEqual(changes, [second]);
  });

  it("looks every ten seconds until it is stopped", async () => {
    const { reloader, changes, clock } = await open();
    const stop = new AbortController();
    const running = reloader.run(stop.signal);
    await publish(second);
    assert.deepEqual(clock.slept, [10_000]);
    clock.step();
    while (clock.slept.length < 2) await new Promise(setImmediate);
    assert.deepEqual(changes, [second]);
    stop.abort();
    await running;
    assert.equal(clock.slept.length, 2);
  });
});
