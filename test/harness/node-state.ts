import assert from "node:assert/strict";

import type { Ctr, LeaseRecord } from "./ctr.ts";
import { waitFor } from "./wait.ts";

/** Everything in containerd's k8s.io namespace that an import could leave behind, each list sorted. */
export interface NodeState {
  /** "name digest" of every image record */
  readonly images: readonly string[];
  readonly content: readonly string[];
  readonly snapshots: readonly string[];
  readonly leases: readonly string[];
  readonly ingests: readonly string[];
}

/** The part of a rig's node that is looked at. */
export interface HasCtr {
  readonly name: string;
  readonly ctr: Ctr;
}

/** Looks at a node after a forced garbage collection: what is seen then is held by something. */
export async function stateOf({ ctr }: HasCtr): Promise<NodeState> {
  await ctr.forceGc();
  const images = await ctr.images();
  const content = await ctr.content();
  const snapshots = await ctr.snapshots();
  const leases = await ctr.leases();
  return {
    images: images.map(({ name, digest }) => `${name} ${digest}`).sort(),
    content: content.map(({ digest }) => digest).sort(),
    snapshots: snapshots.map(({ key }) => key).sort(),
    leases: leases.map(({ id }) => id).sort(),
    ingests: [...(await ctr.ingests())].sort(),
  };
}

/** Asserts that a node is as it was: an import that failed for good has left nothing. */
export async function assertUnchanged(node: HasCtr, before: NodeState): Promise<void> {
  assert.deepEqual(await stateOf(node), before, `what is on node ${node.name}`);
}

/** Waits until a node is as it was. */
export async function untilUnchanged(
  node: HasCtr,
  before: NodeState,
  options: { readonly timeoutMs?: number } = {},
): Promise<void> {
  const wanted = JSON.stringify(before);
  const same = async (): Promise<boolean> => JSON.stringify(await stateOf(node)) === wanted;
  try {
    await waitFor(`node ${node.name} to be as it was`, same, { intervalMs: 250, ...options });
  } catch {
    // says what differs
    await assertUnchanged(node, before);
  }
}

/** Asserts that neither lease nor ingest is left: an import that succeeded holds its content by records alone. */
export async function assertNothingHeld({ name, ctr }: HasCtr): Promise<void> {
  assert.deepEqual(await ctr.leases(), [], `leases on ${name}`);
  assert.deepEqual(await ctr.ingests(), [], `ingests on ${name}`);
}

/**
 * The lease that keeps an image for a next try; asserts that it is the only one and expires in about an hour, as
 * containerd reads it from its label.
 */
export async function keptLease({ name, ctr }: HasCtr, digest: string): Promise<LeaseRecord> {
  const leases = await ctr.leases();
  const id = `tote-resume-${digest.slice("sha256:".length)}`;
  assert.deepEqual(
    leases.map((lease) => lease.id),
    [id],
    `leases on ${name}`,
  );
  const [lease] = leases;
  assert.ok(lease);
  const minutes = (Date.parse(lease.labels["containerd.io/gc.expire"] ?? "") - Date.now()) / 60_000;
  assert.ok(minutes > 55 && minutes <= 60, `the lease expires in ${minutes} minutes`);
  return lease;
}
