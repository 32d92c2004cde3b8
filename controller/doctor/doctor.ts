import type { Clock } from "../../lib/clock.ts";
import { describeError } from "../../lib/errors.ts";
import type { Readiness } from "../../lib/health-server.ts";
import type { TlsMaterial } from "../../lib/tls.ts";
import { urlOfAgentPod } from "../agents/agent-directory.ts";
import type { KubeApi } from "../kube/kube-api.ts";
import { asObject, asText } from "../objects/json.ts";
import { askAgents } from "./agent-replies.ts";
import { checkAgents } from "./check-agents.ts";
import { checkController } from "./check-controller.ts";
import { checkCrd } from "./check-crd.ts";
import { checkLayers } from "./check-layers.ts";
import { checkNamespaces, checkPullPolicy } from "./check-namespaces.ts";
import { checkRuntime } from "./check-runtime.ts";
import { checkWatches, tryWatches } from "./check-watches.ts";
import { checkReading, diagnose, type Check, type Diagnosis, type Reading } from "./check.ts";
import { surveyCluster, type Survey } from "./survey.ts";

/** What a doctor works with. */
export interface DoctorOptions {
  readonly api: KubeApi;
  /** URL of the API server, for the message */
  readonly server: string;
  readonly clock: Clock;
  /** version of this tote */
  readonly release: string;
  readonly namespace: string;
  readonly agentNamespace: string;
  readonly leaseName: string;
  readonly agentGrpcPort: number;
  /** agents given by hand, URL by node; empty to find them as pods */
  readonly agents: ReadonlyMap<string, string>;
  /** how agents are called; undefined when they are not */
  readonly calls: { readonly tls: TlsMaterial | undefined } | undefined;
  /** the controller's word on itself; undefined when it is not asked */
  readonly readiness: ((signal: AbortSignal) => Promise<Readiness>) | undefined;
}

/** Looks at everything that tote needs. Rejects with nothing but the signal's reason. */
export async function runDoctor(options: DoctorOptions, signal: AbortSignal): Promise<Diagnosis> {
  const { api, clock, release, namespace, leaseName, calls } = options;
  const kubeconfig = await checkServer(options, signal);
  if (kubeconfig.status === "fail") return diagnose([kubeconfig]);
  const [survey, trials, readiness] = await Promise.all([
    surveyCluster(options, signal),
    tryWatches(api, signal),
    options.readiness?.(signal),
  ]);
  const urls = agentUrls(options, survey);
  const replies = calls === undefined ? undefined : await askAgents({ urls, tls: calls.tls }, signal);
  const nodes = survey.nodes;
  const controllers = survey.controllers.kind === "read" ? survey.controllers.value : [];
  const agentPods = survey.agents.kind === "read" ? survey.agents.value.length : 0;
  // agents given by hand need no pods
  const agents: Reading<unknown> = options.agents.size > 0 ? nodes : survey.agents;
  const namespaces = both(survey.namespaces, survey.workloads);
  return diagnose([
    kubeconfig,
    checkReading("crd", survey.crd, (crd) => checkCrd(crd, clock.now(), release)),
    checkReading("controller", survey.leadership, (leadership) =>
      checkController({
        namespace,
        leaseName,
        leadership,
        pods: { all: controllers.length, ready: controllers.filter(({ isReady }) => isReady).length },
      }),
    ),
    checkReading("agents", both(nodes, agents), ([facts]) =>
      checkAgents({
        nodes: facts,
        ready: new Set(urls.keys()),
        pods: agentPods,
        namespace: options.agentNamespace,
        replies,
      }),
    ),
    checkReading("runtime", nodes, checkRuntime),
    checkReading("layers", nodes, (facts) => checkLayers(facts, replies)),
    checkReading("namespaces", namespaces, ([all, workloads]) => checkNamespaces(all, workloads)),
    checkReading("pull-policy", survey.workloads, checkPullPolicy),
    checkWatches({
      trials,
      readiness,
      unready: controllers.filter(({ isReady }) => !isReady).map(({ name }) => name),
    }),
  ]);
}

async function checkServer({ api, server }: DoctorOptions, signal: AbortSignal): Promise<Check> {
  const name = "kubeconfig";
  try {
    const version = asText(asObject(await api.getPath("/version", { signal }))["gitVersion"]);
    return { name, status: "ok", message: `${server} answers, Kubernetes ${version}` };
  } catch (error) {
    signal.throwIfAborted();
    return { name, status: "fail", message: `${server}: ${describeError(error)}` };
  }
}

function agentUrls({ agents, agentGrpcPort: port, calls }: DoctorOptions, survey: Survey) {
  if (agents.size > 0) return agents;
  const insecure = calls !== undefined && calls.tls === undefined;
  const pods = survey.agents.kind === "read" ? survey.agents.value : [];
  return new Map(
    pods.flatMap((pod) => {
      const url = urlOfAgentPod(pod, { port, insecure });
      return url === undefined ? [] : [[pod.nodeName, url] as const];
    }),
  );
}

function both<A, B>(one: Reading<A>, other: Reading<B>): Reading<readonly [A, B]> {
  if (one.kind !== "read") return one;
  if (other.kind !== "read") return other;
  return { kind: "read", value: [one.value, other.value] };
}
