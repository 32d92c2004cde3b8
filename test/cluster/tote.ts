import { join } from "node:path";

import { ROLES } from "../../lib/roles.ts";
import { asObject, asObjects, asText } from "../../controller/objects/json.ts";
import { startController, type ControllerProcess } from "../control/controller-process.ts";
import { startEventSink, type EventSink } from "../control/event-sink.ts";
import { startAgent, type AgentProcess } from "../harness/agent-process.ts";
import type { Cleanup } from "../harness/cleanup.ts";
import { createPki } from "../harness/pki.ts";
import { startRelayProcess, type RelayProcess } from "../relay/relay-process.ts";
import { readAgentPlace } from "./agent-place.ts";
import type { Cluster } from "./cluster.ts";
import { suiteLog } from "./kept-logs.ts";
import type { Kubectl } from "./kubectl.ts";
import { writeKubeconfig } from "./kubeconfig.ts";
import { installDefinition, rightsManifests, TOTE_NAMESPACE } from "./tote-rights.ts";

/** tote's service account, unless told otherwise */
const ACCOUNT: Account = { namespace: TOTE_NAMESPACE, name: "tote" };
const TOKEN_SECONDS = 86_400;
/** several start at the same time on a machine with much to do */
const readyTimeoutMs = 120_000;

/** A service account. */
export interface Account {
  readonly namespace: string;
  readonly name: string;
}

/** Flags of what startTote starts, beyond those that a test needs anyway. */
export interface ToteOptions {
  readonly controllerArgs?: readonly string[];
  readonly agentArgs?: readonly string[];
}

/** Agents, controller and relay as processes, against a real cluster. */
export interface Tote {
  readonly agents: ReadonlyMap<string, AgentProcess>;
  /** the controller that was started last */
  readonly controller: ControllerProcess;
  readonly relay: RelayProcess;
  /** gets what the relay delivers */
  readonly sink: EventSink;
  /** kubeconfig of the controller's service account */
  readonly kubeconfig: string;
  /** Ends the controller and starts one with other flags. */
  restartController(args?: readonly string[]): Promise<void>;
  agent(node: string): AgentProcess;
}

/** Installs the definition, the service account and its rights. */
async function installTote(kubectl: Kubectl): Promise<void> {
  await installDefinition(kubectl);
  await kubectl.apply(
    { apiVersion: "v1", kind: "Namespace", metadata: { name: TOTE_NAMESPACE } },
    { apiVersion: "v1", kind: "ServiceAccount", metadata: ACCOUNT },
    ...(await rightsManifests([{ kind: "ServiceAccount", ...ACCOUNT }])),
  );
}

/** Writes a kubeconfig of a service account, with a token as a pod would get one (TokenRequest). */
export async function writeAccountKubeconfig(
  kubectl: Kubectl,
  path: string,
  account: Account = ACCOUNT,
): Promise<string> {
  const url = `/api/v1/namespaces/${account.namespace}/serviceaccounts/${account.name}/token`;
  const request = {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: { expirationSeconds: TOKEN_SECONDS },
  };
  const { stdout } = await kubectl(["create", "--raw", url, "-f", "-"], { input: JSON.stringify(request) });
  const token = asText(asObject(asObject(JSON.parse(stdout))["status"])["token"]);
  if (token === "") throw new Error(`no token in the answer of ${url}: ${stdout}`);
  const view = await kubectl(["config", "view", "--raw", "--minify", "--flatten", "-o", "json"]);
  const cluster = asObject(asObjects(asObject(JSON.parse(view.stdout))["clusters"], 1)[0]?.["cluster"]);
  const ca = Buffer.from(asText(cluster["certificate-authority-data"]), "base64").toString();
  return await writeKubeconfig(path, { server: asText(cluster["server"]), ca, token });
}

/** Starts tote for the tests of one file; everything ends with the cleanup. */
export async function startTote(
  cluster: Cluster,
  cleanup: Cleanup,
  options: ToteOptions = {},
): Promise<Tote> {
  const { controllerArgs = [], agentArgs = [] } = options;
  await installTote(cluster.kubectl);
  const kubeconfig = await writeAccountKubeconfig(
    cluster.kubectl,
    join(cleanup.directory(), "tote.kubeconfig"),
  );
  const pki = await createPki();
  const certs = (name: string): string => join(cleanup.directory(), `${name}-certs`);
  await pki.write(certs("agent"), await pki.role(ROLES.agent));
  await pki.write(certs("controller"), await pki.role(ROLES.controller));
  const agents = new Map<string, AgentProcess>();
  await Promise.all(
    cluster.nodes.map(async ({ name }) => {
      const place = await readAgentPlace(cluster.layout, name);
      const { socket, root } = place;
      const containerd = { name, socket, root };
      agents.set(
        name,
        await startAgent({
          cleanup,
          containerd,
          network: place,
          tls: { certDir: certs("agent") },
          args: agentArgs,
          readyTimeoutMs,
          logFile: suiteLog(cluster.layout, `agent-${name}`),
        }),
      );
    }),
  );
  const sink = await startEventSink(cleanup);
  const relay = await startRelayProcess({
    cleanup,
    readyTimeoutMs,
    logFile: suiteLog(cluster.layout, "relay"),
    config: `subscriptions: [{name: sink, type: webhook, url: "${sink.url}", allowAddresses: 127.0.0.1}]`,
  });
  const urls = Object.fromEntries([...agents].map(([name, { url }]) => [name, url]));
  let controllers = 0;
  const start = (args: readonly string[]): Promise<ControllerProcess> =>
    startController({
      cleanup,
      logFile: suiteLog(cluster.layout, `controller-${(controllers += 1)}`),
      kubeconfig,
      certDir: certs("controller"),
      agents: urls,
      args: [
        `--webhook-url=${relay.url}/v1/events`,
        `--webhook-token-file=${join(relay.directory, "ingest-token")}`,
        "--cluster-name=test",
        ...args,
      ],
    });
  let controller = await start(controllerArgs);
  return {
    agents,
    get controller() {
      return controller;
    },
    relay,
    sink,
    kubeconfig,
    agent(node) {
      const agent = agents.get(node);
      if (agent === undefined) throw new Error(`no agent on ${node}`);
      return agent;
    },
    async restartController(args = controllerArgs) {
      await controller.stop();
      controller = await start(args);
    },
  };
}
