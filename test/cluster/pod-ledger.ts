import type { PodView } from "./pods.ts";

/** What a ledger looks at in a pod. */
export type LedgerPod = Pick<PodView, "name" | "uid" | "isLeaving">;

/** Remembers pods, to find out that one of them was deleted: tote never needs that. */
export class PodLedger {
  /** by uid: where it is */
  readonly #seen = new Map<string, { readonly namespace: string; readonly name: string }>();
  /** "namespace/name", or "namespace/" for all of one */
  readonly #expected = new Set<string>();

  /** Namespaces of the pods that were seen. */
  get namespaces(): readonly string[] {
    return [...new Set([...this.#seen.values()].map(({ namespace }) => namespace))];
  }

  /** Pods as they are now. */
  see(namespace: string, pods: readonly LedgerPod[]): void {
    for (const { uid, name, isLeaving } of pods) if (!isLeaving) this.#seen.set(uid, { namespace, name });
  }

  /** A test deletes a pod, or those of a namespace, or has them deleted. */
  expectGone(namespace: string, name = ""): void {
    this.#expected.add(`${namespace}/${name}`);
  }

  /** Pods of a namespace that were seen and are gone or on their way, but for those that a test deletes. */
  missing(namespace: string, now: readonly LedgerPod[]): readonly string[] {
    const there = new Set(now.filter(({ isLeaving }) => !isLeaving).map(({ uid }) => uid));
    return [...this.#seen]
      .filter(([uid, pod]) => pod.namespace === namespace && !there.has(uid))
      .map(([uid, { name }]) => ({ uid, name }))
      .filter(
        ({ name }) => !this.#expected.has(`${namespace}/${name}`) && !this.#expected.has(`${namespace}/`),
      )
      .map(({ uid, name }) => `${namespace}/${name} (${uid})`);
  }

  /** Begins anew. */
  clear(): void {
    this.#seen.clear();
    this.#expected.clear();
  }
}
