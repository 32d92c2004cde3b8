import { run } from "../harness/run.ts";

/** Flags that only some versions of the kubelet know. @param version as `kubelet --version` says it: "Kubernetes v1.20.2" */
export function kubeletFlags(version: string): readonly string[] {
  const [, major, minor] = /v(\d+)\.(\d+)/.exec(version) ?? [];
  if (major === undefined || minor === undefined) throw new Error(`no version of a kubelet: "${version}"`);
  // needed as long as dockershim was the default (to 1.23), gone from 1.27 on
  return Number(major) === 1 && Number(minor) < 24 ? ["--container-runtime=remote"] : [];
}

/** Asks a kubelet what it is. */
export async function kubeletVersion(kubelet: string): Promise<string> {
  return (await run(kubelet, ["--version"])).stdout.trim();
}
