/** How many transfers run at the same time. */

import { TRANSFERS_PER_SOURCE, TRANSFERS_PER_TARGET, TRANSFERS_TOTAL } from "../limits.ts";

/** A transfer that runs. */
export interface RunningTransfer {
  readonly targetNode: string;
  readonly sources: readonly string[];
}

/** How many transfers may run. */
export interface TransferLimits {
  readonly perTarget: number;
  readonly perSource: number;
  readonly total: number;
}

/** The limits for `--max-concurrent-salvages`; 0 leaves the total at its default. */
export function transferLimits(maxConcurrent: number): TransferLimits {
  return {
    perTarget: TRANSFERS_PER_TARGET,
    perSource: TRANSFERS_PER_SOURCE,
    total: maxConcurrent === 0 ? TRANSFERS_TOTAL : maxConcurrent,
  };
}

/**
 * Whether a transfer to a node must wait, and for what; undefined when it may start as far as target and total are
 * concerned. Sources are chosen among those with room, see `chooseSources`.
 */
export function mustWait(
  targetNode: string,
  running: readonly RunningTransfer[],
  limits: TransferLimits,
): string | undefined {
  if (running.length >= limits.total) return `${running.length} transfers run, at most ${limits.total} may`;
  const toTarget = running.filter((transfer) => transfer.targetNode === targetNode).length;
  if (toTarget >= limits.perTarget)
    return `${toTarget} transfers to this node run, at most ${limits.perTarget} may`;
  return undefined;
}

/** How many running transfers read from each node. */
export function loadBySource(running: readonly RunningTransfer[]): ReadonlyMap<string, number> {
  const load = new Map<string, number>();
  for (const source of running.flatMap((transfer) => transfer.sources)) {
    load.set(source, (load.get(source) ?? 0) + 1);
  }
  return load;
}
