import { join } from "node:path";

import type { Cleanup } from "../harness/cleanup.ts";
import { freePorts } from "../harness/ports.ts";
import { startProcess, type RunningProcess } from "../harness/processes.ts";
import {
  apiServerArguments,
  etcdArguments,
  writeApiServerFiles,
  type TokenUser,
} from "./api-server-files.ts";
import { waitForApi } from "./api-readiness.ts";
import { writeKubeconfig } from "./kubeconfig.ts";
import { kubernetesBinaries } from "./kubernetes-binaries.ts";
import { kubectl, type Kubectl } from "./kubectl.ts";

/** A real kube-apiserver without controllers, scheduler and nodes: what is put there stays as it is. */
export interface RealApiServer {
  /** a kubeconfig of a user; "admin" is there always */
  kubeconfigPath(user?: string): string;
  readonly kubectl: Kubectl;
}

const ADMIN: TokenUser = { name: "admin", groups: ["system:masters"] };
const HOST = "127.0.0.1";

/** Starts etcd and kube-apiserver on loopback; they end with the cleanup. */
export async function startRealApiServer(options: {
  readonly cleanup: Cleanup;
  readonly users: readonly TokenUser[];
}): Promise<RealApiServer> {
  const { cleanup, users } = options;
  const binaries = await kubernetesBinaries({ say: () => undefined });
  const directory = join(cleanup.directory(), "kube");
  const files = await writeApiServerFiles(directory, { ip: HOST, users: [ADMIN, ...users] });
  const [client = 0, peer = 0, port = 0] = await freePorts(3);
  const etcdUrl = `http://${HOST}:${client}`;
  const etcd = startProcess({
    name: "etcd",
    command: binaries.etcd,
    args: etcdArguments({
      dataDir: join(directory, "etcd"),
      clientUrl: etcdUrl,
      peerUrl: `http://${HOST}:${peer}`,
    }),
    cleanup,
  });
  const more = [
    // nobody makes service accounts here, and rights are given in a namespace that comes later
    "--disable-admission-plugins=ServiceAccount,NamespaceLifecycle",
    // a request of a test must not wait for others of the same user
    "--enable-priority-and-fairness=false",
  ];
  const api = startProcess({
    name: "kube-apiserver",
    command: binaries["kube-apiserver"],
    args: apiServerArguments({ directory, ip: HOST, port, etcdUrl, more }),
    cleanup,
  });
  const server = `https://${HOST}:${port}`;
  const path = (user: string): string => join(directory, `${user.replaceAll(":", "-")}.kubeconfig`);
  for (const [user, token] of files.tokens)
    await writeKubeconfig(path(user), { server, ca: files.ca, token });
  const access = { server, ca: files.ca, token: files.tokens.get(ADMIN.name) ?? "" };
  const processes: readonly RunningProcess[] = [etcd, api];
  await waitForApi(access, {
    ended: () => processes.find((process) => process.status() !== undefined)?.name,
    logs: () => processes.map((process) => `--- ${process.name}\n${process.logs()}`).join("\n"),
  });
  return {
    kubeconfigPath: (user = ADMIN.name) => path(user),
    kubectl: kubectl({ program: binaries.kubectl, kubeconfig: path(ADMIN.name) }),
  };
}
