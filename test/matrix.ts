/** `npm run test:matrix [VERSION...]`: the import cases on each containerd release line, one after the other. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";

import { describeError } from "../lib/errors.ts";
import { containerdVersions, isContainerdVersion } from "./harness/config.ts";
import { containerdPrograms } from "./harness/containerd-version.ts";
import { ensureSystem } from "./setup/system.ts";

const CASES = "test/e2e/import-*.test.ts";

async function main(args: readonly string[]): Promise<number> {
  const unknown = args.find((arg) => !isContainerdVersion(arg));
  if (unknown !== undefined) {
    process.stderr.write(
      `unknown version "${unknown}": use ${containerdVersions.join(", ")} or nothing for all\n`,
    );
    return 2;
  }
  const lines = args.length === 0 ? containerdVersions : args.filter(isContainerdVersion);
  try {
    await ensureSystem(["nodes", "matrix"]);
    const failed: string[] = [];
    for (const line of lines) {
      const { version } = await containerdPrograms(line);
      process.stdout.write(`\n=== containerd ${version}\n`);
      if (!(await passes(line))) failed.push(version);
    }
    process.stdout.write(`\n=== ${failed.length === 0 ? "all passed" : `failed on ${failed.join(", ")}`}\n`);
    return failed.length === 0 ? 0 : 1;
  } catch (error) {
    process.stderr.write(`${describeError(error)}\n`);
    return 1;
  }
}

async function passes(line: string): Promise<boolean> {
  const child = spawn(process.execPath, ["--test", "--test-concurrency=1", CASES], {
    stdio: "inherit",
    env: { ...process.env, TOTE_TEST_CONTAINERD: line },
  });
  await once(child, "exit");
  return child.exitCode === 0;
}

process.exitCode = await main(process.argv.slice(2));
