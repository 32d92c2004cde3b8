import { Slots } from "../agents/slots.ts";
import { podOptIn } from "../detect/opt-in.ts";
import type { OwnerChain } from "../detect/owner-chain.ts";
import type { KubeApi } from "../kube/kube-api.ts";
import { PODS } from "../kube/resources.ts";
import type { StrippedNamespace } from "../objects/namespace.ts";
import type { StrippedPod } from "../objects/pod.ts";
import { stripPod } from "../objects/strip-pod.ts";

/** Owners that are read at the same time. */
const READS_AT_ONCE = 8;

/** A workload that has asked for tote and has pods. */
export interface Workload {
  readonly namespace: string;
  /** e.g. "Deployment web", "Pod job-1" */
  readonly label: string;
  /** names of its containers with imagePullPolicy Always */
  readonly pullsAlways: readonly string[];
}

/**
 * Workloads of opted-in namespaces that ask for tote, by the rules of the controller. Of the pods of one owner, the
 * first speaks for all.
 * @throws ApiError
 */
export async function readWorkloads(
  options: {
    readonly api: Pick<KubeApi, "list">;
    readonly owners: Pick<OwnerChain, "of">;
    readonly namespaces: readonly StrippedNamespace[];
  },
  signal: AbortSignal,
): Promise<readonly Workload[]> {
  const { api, owners, namespaces } = options;
  const slots = new Slots(READS_AT_ONCE);
  const found = new Map<string, Workload>();
  for (const namespace of namespaces) {
    const pods = new Map<string, StrippedPod>();
    for await (const page of api.list(PODS, { namespace: namespace.name, signal })) {
      for (const item of page.items) {
        const pod = stripPod(item);
        const key = pod.owner?.uid ?? pod.uid;
        if (!pods.has(key)) pods.set(key, pod);
      }
    }
    const all = await Promise.all(
      [...pods.values()].map((pod) => slots.run(signal, () => workloadOf(pod, namespace, owners, signal))),
    );
    for (const workload of all) {
      // pods of several ReplicaSets of one Deployment
      if (workload !== undefined) found.set(`${workload.namespace}/${workload.label}`, workload);
    }
  }
  return [...found.values()];
}

async function workloadOf(
  pod: StrippedPod,
  namespace: StrippedNamespace,
  owners: Pick<OwnerChain, "of">,
  signal: AbortSignal,
): Promise<Workload | undefined> {
  const chain = await owners.of(pod, signal);
  const optIn = podOptIn({
    enabled: true,
    namespaceName: namespace.name,
    namespace,
    podAnnotations: pod.annotations,
    owners: chain,
  });
  if (!optIn.allowed) return undefined;
  const top = chain.findLast(({ kind }) => kind === "read")?.reference ?? pod.owner;
  return {
    namespace: pod.namespace,
    label: top === undefined ? `Pod ${pod.name}` : `${top.kind} ${top.name}`,
    pullsAlways: pod.containers.filter(({ pullPolicy }) => pullPolicy === "Always").map(({ name }) => name),
  };
}
