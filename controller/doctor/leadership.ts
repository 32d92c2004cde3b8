import type { Clock } from "../../lib/clock.ts";
import { isNotFound } from "../kube/api-error.ts";
import type { KubeApi } from "../kube/kube-api.ts";
import { RETRY_PERIOD_MS } from "../kube/limits.ts";
import type { Lease } from "../kube/objects.ts";
import { LEASES } from "../kube/resources.ts";
import type { Leadership } from "./check-controller.ts";

/** A leader renews every 2 s; one that has not in so long is not there. */
const SECOND_LOOK_MS = 3 * RETRY_PERIOD_MS;
/** Pause between two looks, in milliseconds. */
const LOOK_INTERVAL_MS = 500;

/**
 * Whether somebody holds the Lease, by looking on until it is renewed: the clocks of this machine and the leader's need
 * not agree.
 * @throws ApiError
 */
export async function observeLeadership(
  options: {
    readonly api: Pick<KubeApi, "get">;
    readonly clock: Clock;
    readonly namespace: string;
    readonly name: string;
  },
  signal: AbortSignal,
): Promise<Leadership> {
  const { api, clock, namespace, name } = options;
  async function look(): Promise<Lease | undefined> {
    try {
      return await api.get(LEASES, { namespace, name }, { signal });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }
  const first = await look();
  if (first === undefined) return { kind: "absent" };
  const until = clock.monotonic() + SECOND_LOOK_MS;
  let lease: Lease | undefined = first;
  while (lease?.spec?.renewTime === first.spec?.renewTime && clock.monotonic() < until) {
    await clock.sleep(LOOK_INTERVAL_MS, signal);
    lease = await look();
  }
  const holder = lease?.spec?.holderIdentity ?? "";
  if (lease === undefined) return { kind: "absent" };
  if (holder === "") return { kind: "free" };
  return { kind: lease.spec?.renewTime === first.spec?.renewTime ? "stale" : "held", holder };
}
