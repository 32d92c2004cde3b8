import { randomUUID } from "node:crypto";

import type { Clock } from "../../lib/clock.ts";
import type { CallOptions, Containerd, Labels } from "../containerd/types.ts";
import { referredTo } from "../image/labels.ts";
import { RESUME_TTL_MS } from "../limits.ts";
import { leaseLabels } from "./import-leases.ts";

/** A blob to take away. */
export interface Discarded {
  readonly digest: string;
  /** the labels that it has */
  readonly labels: Labels;
  /** where what only the blob refers to goes */
  readonly lease: string;
}

/** Takes a blob out of containerd, its file included, unless another namespace has it. May be begun anew. */
export async function discardBlob(
  { digest, labels, lease }: Discarded,
  containerd: Pick<Containerd, "content" | "leases">,
  clock: Clock,
  options: CallOptions,
): Promise<void> {
  const { content, leases } = containerd;
  for (const resource of referredTo(labels)) await leases.addResource(lease, resource, options);
  await content.delete(digest, options);
  // the file goes with a garbage collection, and would be taken for the blob until then
  const id = `tote-collect-${randomUUID()}`;
  await leases.create({ id, labels: leaseLabels("collect", RESUME_TTL_MS, clock.now()) }, options);
  await leases.delete(id, { ...options, sync: true });
}
