import type { Clock } from "../../lib/clock.ts";
import type { CallOptions, Leases, Snapshots } from "../containerd/types.ts";
import { RESUME_TTL_MS, RUNNING_LEASE_TTL_MS } from "../limits.ts";

/** Label that says what a lease of this agent is for. */
export const PURPOSE_LABEL = "tote.dev/purpose";

/** Snapshots being unpacked by this agent start so. */
export const EXTRACT_PREFIX = "extract-tote-";

/** Labels of a lease that lives until `ttlMs` after `now` (ms since 1970) at most, should nobody delete it (containerd docs/garbage-collection.md). */
export function leaseLabels(purpose: string, ttlMs: number, now: number): Record<string, string> {
  // containerd reads RFC 3339 without fractions
  const expire = new Date(now + ttlMs).toISOString().replace(/\.\d+Z$/, "Z");
  return { "containerd.io/gc.expire": expire, [PURPOSE_LABEL]: purpose };
}

/** The part of containerd that is needed here. */
interface LeasesAndSnapshots {
  readonly leases: Leases;
  readonly snapshots: Pick<Snapshots, "remove">;
}

/**
 * The leases of imports: one while an import runs, and one with a short life that keeps what arrived for a next try.
 * Their ids follow from the image's digest, so that a restarted agent finds them.
 */
export class ImportLeases {
  readonly #containerd: LeasesAndSnapshots;
  readonly #clock: Clock;

  constructor(options: { readonly containerd: LeasesAndSnapshots; readonly clock: Clock }) {
    this.#containerd = options.containerd;
    this.#clock = options.clock;
  }

  /** Makes or finds the lease of a running import, with all that an earlier try left; answers its id. */
  async begin(digest: string, options: CallOptions): Promise<string> {
    const id = runningId(digest);
    const { leases } = this.#containerd;
    await leases.create({ id, labels: this.#labels("import", RUNNING_LEASE_TTL_MS) }, options);
    await this.#move(keptId(digest), id, options);
    return id;
  }

  /** Hands what a running import holds to a lease that lives for an hour. */
  async keep(digest: string, options: CallOptions): Promise<void> {
    const id = keptId(digest);
    await this.#containerd.leases.create({ id, labels: this.#labels("resume", RESUME_TTL_MS) }, options);
    await this.#move(runningId(digest), id, options);
  }

  /** Lets go of all that an import holds. With `sync` what nothing else refers to is gone on return. */
  async release(digest: string, options: CallOptions & { readonly sync: boolean }): Promise<void> {
    await this.#containerd.leases.delete(keptId(digest), { signal: options.signal });
    await this.#containerd.leases.delete(runningId(digest), options);
  }

  /** Digests of images for which there is a lease, with the time that the last one was made. */
  async list(options: CallOptions): Promise<ReadonlyMap<string, Date>> {
    const found = new Map<string, Date>();
    for (const lease of await this.#containerd.leases.list(options)) {
      const match = /^tote-(?:import|resume)-([0-9a-f]{64})$/.exec(lease.id);
      if (match?.[1] === undefined) continue;
      const digest = `sha256:${match[1]}`;
      const createdAt = lease.createdAt ?? new Date(0);
      if (createdAt >= (found.get(digest) ?? createdAt)) found.set(digest, createdAt);
    }
    return found;
  }

  async #move(from: string, to: string, options: CallOptions): Promise<void> {
    const { leases, snapshots } = this.#containerd;
    const known = await leases.list(options);
    if (!known.some((lease) => lease.id === from)) return;
    for (const resource of await leases.resources(from, options)) {
      const [type, snapshotter] = resource.type.split("/", 2);
      if (type === "snapshots" && snapshotter !== undefined && resource.id.startsWith(EXTRACT_PREFIX)) {
        await snapshots.remove(snapshotter, resource.id, options);
      } else {
        await leases.addResource(to, resource, options);
      }
    }
    await leases.delete(from, options);
  }

  #labels(purpose: string, ttlMs: number): Record<string, string> {
    return leaseLabels(purpose, ttlMs, this.#clock.now());
  }
}

function runningId(digest: string): string {
  return `tote-import-${hex(digest)}`;
}

function keptId(digest: string): string {
  return `tote-resume-${hex(digest)}`;
}

function hex(digest: string): string {
  return digest.slice("sha256:".length);
}
