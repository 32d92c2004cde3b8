import process from "node:process";

import { harnessConfig } from "../harness/config.ts";

/** What the environment may say to the cluster. */
export interface ClusterConfig {
  /** KUBEBUILDER_ASSETS and TOTE_KUBE_BIN: folders with programs of Kubernetes, looked into in this order */
  readonly binaryFolders: readonly string[];
  /** what is built once: TOTE_TEST_CACHE, default ~/.cache/tote-test */
  readonly cache: string;
  /** KUBECONFIG: an existing cluster, for suites that need no access to nodes */
  readonly kubeconfig: string | undefined;
  /** PATH */
  readonly path: string;
}

/** Reads the cluster's configuration. */
export function clusterConfig(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): ClusterConfig {
  const given = (name: string): string | undefined => {
    const value = environment[name];
    return value === "" ? undefined : value;
  };
  return {
    binaryFolders: [given("KUBEBUILDER_ASSETS"), given("TOTE_KUBE_BIN")].filter(
      (folder) => folder !== undefined,
    ),
    cache: harnessConfig(environment).cache,
    kubeconfig: given("KUBECONFIG"),
    path: given("PATH") ?? "",
  };
}
