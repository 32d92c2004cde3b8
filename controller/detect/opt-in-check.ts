import type { StrippedNamespace } from "../objects/namespace.ts";
import type { OwnerLink } from "../objects/owner.ts";
import type { StrippedPod } from "../objects/pod.ts";
import type { ReadStore } from "../kube/store.ts";
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
   * What holds for a pod, and its owners. They are read only where the namespace allows anything at all.
   * @throws ApiError when an owner cannot be read for another reason than 403 or 404
   */
  async ofPod(
    pod: StrippedPod,
    signal: AbortSignal,
  ): Promise<{ readonly optIn: OptIn; readonly owners: readonly OwnerLink[] }> {
    const namespace = this.ofNamespace(pod.namespace);
    if (!namespace.allowed) return { optIn: namespace, owners: [] };
    const owners = await this.#owners.of(pod, signal);
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
