import type { Clock } from "../../lib/clock.ts";
import { describeError } from "../../lib/errors.ts";
import { silentLogger } from "../../lib/log.ts";
import { AGENT_LABELS } from "../cluster-view.ts";
import { OwnerChain } from "../detect/owner-chain.ts";
import { isForbidden, isNotFound } from "../kube/api-error.ts";
import type { KubeApi } from "../kube/kube-api.ts";
import type { KubeObject } from "../kube/objects.ts";
import {
  CUSTOM_RESOURCE_DEFINITIONS,
  NAMESPACES,
  NODES,
  PODS,
  type KubeResource,
} from "../kube/resources.ts";
import type { StrippedAgentPod } from "../objects/agent-pod.ts";
import { CRD_NAME } from "../objects/crd-check.ts";
import { asObject, asText } from "../objects/json.ts";
import type { StrippedNamespace } from "../objects/namespace.ts";
import { stripAgentPod, stripNamespace } from "../objects/strip-cluster.ts";
import type { Reading } from "./check.ts";
import { openNamespaces } from "./check-namespaces.ts";
import type { Leadership } from "./check-controller.ts";
import { observeLeadership } from "./leadership.ts";
import { readNodeFacts, type NodeFacts } from "./node-facts.ts";
import { readWorkloads, type Workload } from "./workloads.ts";

const CONTROLLER_LABELS = "app.kubernetes.io/name=tote,app.kubernetes.io/component=controller";

/** Where to look. */
export interface SurveyOptions {
  readonly api: KubeApi;
  readonly clock: Clock;
  /** of the controller */
  readonly namespace: string;
  readonly agentNamespace: string;
  readonly leaseName: string;
}

/** What the API server tells of the cluster, each part by itself: what cannot be read leaves the others alone. */
export interface Survey {
  /** undefined when it is not installed */
  readonly crd: Reading<KubeObject | undefined>;
  readonly leadership: Reading<Leadership>;
  /** pods of the controller that run or are to run; only what they have in common with agents' is read */
  readonly controllers: Reading<readonly StrippedAgentPod[]>;
  /** pods of the agents that run or are to run */
  readonly agents: Reading<readonly StrippedAgentPod[]>;
  readonly nodes: Reading<readonly NodeFacts[]>;
  readonly namespaces: Reading<readonly StrippedNamespace[]>;
  readonly workloads: Reading<readonly Workload[]>;
}

/** Reads all of it. Rejects with nothing but the signal's reason. */
export async function surveyCluster(options: SurveyOptions, signal: AbortSignal): Promise<Survey> {
  const { api, clock, namespace, agentNamespace, leaseName } = options;
  const read = <T>(make: () => Promise<T>): Promise<Reading<T>> => attempt(make, signal);
  // stripped page by page, so that thousands of nodes are never in memory as a whole
  const list = async <T>(of: KubeResource, strip: (raw: KubeObject) => T, selection = {}): Promise<T[]> => {
    const found: T[] = [];
    for await (const page of api.list(of, { ...selection, signal })) found.push(...page.items.map(strip));
    return found;
  };
  const podsOf = async (where: string, labelSelector: string): Promise<readonly StrippedAgentPod[]> => {
    const strip = (raw: KubeObject) => (counts(raw) ? [stripAgentPod(raw)] : []);
    return (await list(PODS, strip, { namespace: where, labelSelector })).flat();
  };
  const [crd, leadership, controllers, agents, nodes, namespaces] = await Promise.all([
    read(() => definition(api, signal)),
    read(() => observeLeadership({ api, clock, namespace, name: leaseName }, signal)),
    read(() => podsOf(namespace, CONTROLLER_LABELS)),
    read(() => podsOf(agentNamespace, AGENT_LABELS)),
    read(() => list(NODES, readNodeFacts)),
    read(() => list(NAMESPACES, stripNamespace)),
  ]);
  const workloads: Reading<readonly Workload[]> =
    namespaces.kind === "read"
      ? await read(() => {
          const open = new Set(openNamespaces(namespaces.value));
          return readWorkloads(
            {
              api,
              owners: new OwnerChain({ api, clock, logger: silentLogger }),
              namespaces: namespaces.value.filter(({ name }) => open.has(name)),
            },
            signal,
          );
        })
      : namespaces;
  return { crd, leadership, controllers, agents, nodes, namespaces, workloads };
}

/** Whether a pod runs or is to run: one that is being deleted, or ended and was left, as after an eviction, is no replica. */
function counts(pod: KubeObject): boolean {
  const phase = asText(asObject(asObject(pod)["status"])["phase"]);
  return pod.metadata.deletionTimestamp === undefined && phase !== "Succeeded" && phase !== "Failed";
}

async function definition(api: KubeApi, signal: AbortSignal): Promise<KubeObject | undefined> {
  try {
    return await api.get(CUSTOM_RESOURCE_DEFINITIONS, { name: CRD_NAME }, { signal });
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

async function attempt<T>(make: () => Promise<T>, signal: AbortSignal): Promise<Reading<T>> {
  try {
    return { kind: "read", value: await make() };
  } catch (error) {
    signal.throwIfAborted();
    return { kind: isForbidden(error) ? "forbidden" : "failed", why: describeError(error) };
  }
}
