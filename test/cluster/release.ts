import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

import { CHART, NAMESPACE } from "../chart/helm.ts";
import type { Cleanup } from "../harness/cleanup.ts";
import { ctr } from "../harness/ctr.ts";
import { run } from "../harness/run.ts";
import { fetchKubeTools } from "../setup/fetch-kube-tools.ts";
import type { Cluster } from "./cluster.ts";

/** Of what the chart renders; Helm names the release so, too. */
export const RELEASE = "tote";

/** helm on a cluster. Every call throws CommandError when helm fails. */
export interface Release {
  /** `helm install` as the README says it, with values */
  install(values: object): Promise<string>;
  /** `helm upgrade` with all values given anew */
  upgrade(values: object): Promise<string>;
  /** `helm rollback` to a revision */
  rollback(revision: number): Promise<string>;
  /** `helm test --logs` */
  test(): Promise<string>;
  uninstall(): Promise<string>;
  isInstalled(): Promise<boolean>;
}

const MAIN = fileURLToPath(new URL("../../build/image/main.ts", import.meta.url));
const helmTimeoutMs = 400_000;

/** The release on a cluster. */
export async function openRelease({ kubeconfig }: Pick<Cluster, "kubeconfig">): Promise<Release> {
  const { helm } = await fetchKubeTools();
  const call = async (args: readonly string[], values?: object): Promise<string> => {
    const settings = {
      env: { KUBECONFIG: kubeconfig },
      timeoutMs: helmTimeoutMs,
      ...(values !== undefined && { input: JSON.stringify(values) }),
    };
    const given = values === undefined ? [] : ["--values", "-"];
    const { stdout, stderr } = await run(helm, [...args, "--namespace", NAMESPACE, ...given], settings);
    return `${stdout}${stderr}`;
  };
  return {
    install: (values) => call(["install", RELEASE, CHART, "--create-namespace", "--wait"], values),
    upgrade: (values) => call(["upgrade", RELEASE, CHART, "--reset-values"], values),
    rollback: (revision) => call(["rollback", RELEASE, String(revision)]),
    test: () => call(["test", RELEASE, "--logs"]),
    uninstall: () => call(["uninstall", RELEASE]),
    isInstalled: async () => (await call(["list", "--short"])).split("\n").includes(RELEASE),
  };
}

/** Builds the image as `npm run image` does, and imports it on every node as the README says. */
export async function importToteImage(cluster: Cluster, cleanup: Cleanup): Promise<void> {
  const folder = join(cleanup.directory(), "image");
  await mkdir(folder, { recursive: true });
  const archive = join(folder, "tote-image.tar");
  await run(process.execPath, [MAIN, "--output", archive], { timeoutMs: 300_000 });
  for (const { containerd } of cluster.nodes) await ctr(containerd).importImage(archive);
}
