import type { StrippedNamespace } from "../objects/namespace.ts";
import type { OwnerLink } from "../objects/owner.ts";
import type { StrippedPod } from "../objects/pod.ts";
import type { ReadStore } from "../kube/store.ts";
import type { FailingContainer } from "./failure-watch.ts";
import { namespaceOptIn, podOptIn, type OptIn } from "./opt-in.ts";
import type { OwnerChain } from "./owner-chain.ts";

/** Asks who has asked for tote, with the cluster at hand. */
export class OptInCheck {
  readonly #enabled: boolean;
  readonly #namespaces: ReadStore<StrippedNamespace>;
  readonly #owners: OwnerChain;

  constructor(options: {
    readonly enabled: boolean;
    readonly namespaces: ReadStore<StrippedNamespace>;
    readonly owners: OwnerChain;
  }) {
    this.#enabled = options.enabled;
    this.#namespaces = options.namespaces;
    this.#owners = options.owners;
  }

  /** What holds for a whole namespace, and for orders in it. */
  ofNamespace(namespace: string): OptIn {
    return namespaceOptIn({
      enabled: this.#enabled,
      namespaceName: namespace,
      namespace: this.#namespaces.get(namespace),
    });
  }

  /**
   * Those of failing containers whose pods have asked for tote; the others are left alone, whatever is done for these.
   * @throws as ofPod
   */
  async asking(
    failing: readonly FailingContainer[],
    signal: AbortSignal,
  ): Promise<readonly FailingContainer[]> {
    const allowed = new Map<StrippedPod, boolean>();
    for (const { pod } of failing) {
      if (!allowed.has(pod)) allowed.set(pod, (await this.ofPod(pod, signal)).optIn.allowed);
    }
    return failing.filter(({ pod }) => allowed.get(pod) === true);
  }

  /**
   * What holds for a pod, and its owners. They are read only where the namespace allows anything at all.
   * @param maxAgeMs how long ago owners may have been read; default half a minute
   * @throws ApiError when an owner cannot be read for another reason than 403 or 404
   */
  async ofPod(
    pod: StrippedPod,
    signal: AbortSignal,
    maxAgeMs?: number,
  ): Promise<{ readonly optIn: OptIn; readonly owners: readonly OwnerLink[] }> {
    const namespace = this.ofNamespace(pod.namespace);
    if (!namespace.allowed) return { optIn: namespace, owners: [] };
    const owners = await this.#owners.of(pod, signal, maxAgeMs);
    const optIn = podOptIn({
      enabled: this.#enabled,
      namespaceName: pod.namespace,
      namespace: this.#namespaces.get(pod.namespace),
      podAnnotations: pod.annotations,
      owners,
    });
    return { optIn, owners };
  }
}
