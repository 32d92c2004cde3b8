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
  /** TOTE_TEST_API_SERVER: what the control tests run against, "memory" (default) or "real" */
  readonly apiServer: "memory" | "real";
  /** PATH */
  readonly path: string;
}

/** Reads the cluster's configuration; throws RangeError for a value that is not allowed. */
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
    apiServer: apiServer(given("TOTE_TEST_API_SERVER")),
    path: given("PATH") ?? "",
  };
}

function apiServer(value: string | undefined): ClusterConfig["apiServer"] {
  if (value === undefined || value === "memory" || value === "real") return value ?? "memory";
  throw new RangeError(`cannot use TOTE_TEST_API_SERVER "${value}": use memory or real`);
}
