import { isNotFound } from "../kube/api-error.ts";
import type { KubeApi } from "../kube/kube-api.ts";
import { LEASES, PODS, type KubeResource } from "../kube/resources.ts";

/** The controllers' default for `--lease-name`, which the chart keeps. */
const CONTROLLER_LEASE = "tote-controller";

/** Whose leftovers, and whom to tell. */
export interface LeftoverOptions {
  readonly api: KubeApi;
  readonly namespace: string;
  /** of the release's objects */
  readonly name: string;
  readonly signal: AbortSignal;
  /** told what became of each */
  readonly say: (line: string) => void;
}

/**
 * Removes what controllers and `helm test` have left and Helm does not know of: the Lease, which none of them can make anew
 * with their roles gone, and the pod of the test.
 * @throws ApiError
 */
export async function removeLeftovers({ api, namespace, name, signal, say }: LeftoverOptions): Promise<void> {
  const remove = async (what: string, of: KubeResource, key: string): Promise<void> => {
    const isGone = await isRemoved(api.delete(of, { name: key, namespace }, { signal }));
    say(`${what} ${key}: ${isGone ? "removed" : "not there"}`);
  };
  await remove("lease", LEASES, CONTROLLER_LEASE);
  await remove("pod", PODS, `${name}-test`);
}

async function isRemoved(deletion: Promise<void>): Promise<boolean> {
  try {
    await deletion;
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}
