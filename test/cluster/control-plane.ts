import { join } from "node:path";

import { waitForApi } from "./api-readiness.ts";
import { apiServerArguments, etcdArguments, writeApiServerFiles } from "./api-server-files.ts";
import type { KubernetesBinaries } from "./kubernetes-binaries.ts";
import { writeKubeconfig } from "./kubeconfig.ts";
import type { ClusterLayout } from "./layout.ts";
import type { Machine } from "./network.ts";
import { logTail, readRecord, startRecorded, stopRecorded } from "./recorded-process.ts";

/** Where the API server listens. */
export const API_PORT = 6443;

/** without which there is no API */
const STORES = ["etcd", "kube-apiserver"] as const;
const etcdUrl = "http://127.0.0.1:2379";
const MASTERS = ["system:masters"];

/** What startControlPlane needs. */
export interface ControlPlaneOptions {
  readonly layout: ClusterLayout;
  readonly binaries: KubernetesBinaries;
  /** where all of it runs */
  readonly machine: Machine;
  readonly nodeNames: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

/** Starts the control plane; answers the kubeconfig of the admin when /readyz says yes. */
export async function startControlPlane(options: ControlPlaneOptions): Promise<string> {
  const { layout, binaries, machine, nodeNames, signal } = options;
  const files = await writeApiServerFiles(join(layout.data, "pki"), {
    ip: machine.ip,
    users: [
      { name: "admin", groups: MASTERS },
      { name: "controller-manager", groups: MASTERS },
      { name: "scheduler", groups: MASTERS },
      // what the Node authorizer and the NodeRestriction plugin want to see
      ...nodeNames.map((name) => ({ name: `system:node:${name}`, groups: ["system:nodes"] })),
    ],
  });
  const server = `https://${machine.ip}:${API_PORT}`;
  for (const [user, token] of files.tokens) {
    await writeKubeconfig(kubeconfigPath(layout, user), { server, ca: files.ca, token });
  }
  startRecorded({
    layout,
    name: "etcd",
    command: inMachine(machine, binaries.etcd, [
      ...etcdArguments({
        dataDir: join(layout.data, "etcd"),
        clientUrl: etcdUrl,
        peerUrl: "http://127.0.0.1:2380",
      }),
    ]),
  });
  startApiServer(options);
  await waitForApi(
    { server, ca: files.ca, token: files.tokens.get("admin") ?? "" },
    {
      ended: () => STORES.find((name) => readRecord(layout, name) === undefined),
      logs: () => STORES.map((name) => `--- ${name}\n${logTail(layout, name)}`).join("\n"),
      signal,
    },
  );
  startRecorded({
    layout,
    name: "kube-controller-manager",
    command: inMachine(machine, binaries["kube-controller-manager"], [
      `--kubeconfig=${kubeconfigPath(layout, "controller-manager")}`,
      `--service-account-private-key-file=${join(files.directory, "sa.key")}`,
      `--root-ca-file=${join(files.directory, "ca.crt")}`,
      "--leader-elect=false",
      "--bind-address=127.0.0.1",
    ]),
  });
  startRecorded({
    layout,
    name: "kube-scheduler",
    command: inMachine(machine, binaries["kube-scheduler"], [
      `--kubeconfig=${kubeconfigPath(layout, "scheduler")}`,
      "--leader-elect=false",
      "--bind-address=127.0.0.1",
    ]),
  });
  return kubeconfigPath(layout, "admin");
}

/** Starts the API server, which was stopped or never ran. */
export function startApiServer(options: Pick<ControlPlaneOptions, "layout" | "binaries" | "machine">): void {
  const { layout, binaries, machine } = options;
  const directory = join(layout.data, "pki");
  startRecorded({
    layout,
    name: "kube-apiserver",
    command: inMachine(machine, binaries["kube-apiserver"], [
      ...apiServerArguments({
        directory,
        ip: machine.ip,
        port: API_PORT,
        etcdUrl,
        // without a kube-proxy a webhook's Service is reached by its endpoints
        more: ["--allow-privileged=true", "--enable-aggregator-routing=true"],
      }),
    ]),
  });
}

/** Ends the API server, as in an outage of the control plane. */
export async function stopApiServer(layout: ClusterLayout): Promise<void> {
  await stopRecorded(layout, "kube-apiserver", 2000);
}

/** Where a user's kubeconfig is. */
export function kubeconfigPath(layout: ClusterLayout, user: string): string {
  return join(layout.data, "kube", `${user.replaceAll(":", "-")}.kubeconfig`);
}

function inMachine(machine: Machine, program: string, args: readonly string[]): [string, ...string[]] {
  const [first = "nsenter", ...rest] = machine.prefix;
  return [first, ...rest, program, ...args];
}
