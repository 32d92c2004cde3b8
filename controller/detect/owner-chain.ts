import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import { isForbidden, isNotFound } from "../kube/api-error.ts";
import type { KubeApi } from "../kube/kube-api.ts";
import { OWNER_CHAIN_MAX } from "../limits.ts";
import { ownerPath, stripOwner, type OwnerLink } from "../objects/owner.ts";
import type { OwnerReference, StrippedPod } from "../objects/pod.ts";

/** How long an owner is believed to be as it was read, in milliseconds. */
const OWNER_MAX_AGE_MS = 30_000;
/** Owners that are kept; past it, the oldest go. */
const OWNERS_MAX = 20_000;

/** Reads the owners of pods, each once in a while. */
export class OwnerChain {
  readonly #api: Pick<KubeApi, "getPath">;
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** by uid, oldest first */
  readonly #known = new Map<string, { readonly at: number; readonly link: Promise<OwnerLink> }>();
  /** kinds that may not be read, each said once */
  readonly #forbidden = new Set<string>();

  constructor(options: {
    readonly api: Pick<KubeApi, "getPath">;
    readonly clock: Clock;
    readonly logger: Logger;
  }) {
    this.#api = options.api;
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  /**
   * The owners of a pod, nearest first, as far as they can be read.
   * @param maxAgeMs how long ago they may have been read
   * @throws ApiError for anything but 403 and 404
   */
  async of(
    pod: StrippedPod,
    signal: AbortSignal,
    maxAgeMs = OWNER_MAX_AGE_MS,
  ): Promise<readonly OwnerLink[]> {
    const links: OwnerLink[] = [];
    let reference = pod.owner;
    while (reference !== undefined && links.length < OWNER_CHAIN_MAX) {
      const link = await this.#link(reference, pod.namespace, maxAgeMs, signal);
      links.push(link);
      reference = link.kind === "read" ? link.owner : undefined;
    }
    return links;
  }

  async #link(
    reference: OwnerReference,
    namespace: string,
    maxAgeMs: number,
    signal: AbortSignal,
  ): Promise<OwnerLink> {
    const key = `${namespace}\n${reference.uid}`;
    const known = this.#known.get(key);
    if (known !== undefined && this.#clock.monotonic() - known.at < maxAgeMs) return await known.link;
    const link = this.#read(reference, namespace, signal);
    this.#known.delete(key);
    this.#known.set(key, { at: this.#clock.monotonic(), link });
    if (this.#known.size > OWNERS_MAX) {
      const [oldest] = this.#known.keys();
      if (oldest !== undefined) this.#known.delete(oldest);
    }
    try {
      return await link;
    } catch (error) {
      this.#known.delete(key);
      throw error;
    }
  }

  async #read(reference: OwnerReference, namespace: string, signal: AbortSignal): Promise<OwnerLink> {
    const path = ownerPath(reference, namespace);
    if (path === undefined) return { kind: "unreadable", reference, why: "its reference is not legal" };
    try {
      return stripOwner(reference, await this.#api.getPath(path, { signal }));
    } catch (error) {
      if (isNotFound(error)) return { kind: "unreadable", reference, why: "there is no such object" };
      if (!isForbidden(error)) throw error;
      const kind = `${reference.kind} of ${reference.apiVersion}`;
      if (!this.#forbidden.has(kind)) {
        this.#forbidden.add(kind);
        this.#logger.warn("owners may not be read and count as not opted in: add an RBAC rule", {
          kind,
          error,
        });
      }
      return { kind: "unreadable", reference, why: "tote may not read it" };
    }
  }
}
