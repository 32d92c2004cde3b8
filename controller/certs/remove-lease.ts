import { isNotFound } from "../kube/api-error.ts";
import type { KubeApi } from "../kube/kube-api.ts";
import { LEASES, type ObjectKey } from "../kube/resources.ts";

/** The controllers' default for `--lease-name`, which the chart keeps. */
export const CONTROLLER_LEASE = "tote-controller";

/**
 * Removes the Lease that controllers have left. With their roles gone none of them can make it anew.
 * @returns whether it was there
 * @throws ApiError
 */
export async function removeLease(api: KubeApi, lease: ObjectKey, signal: AbortSignal): Promise<boolean> {
  try {
    await api.delete(LEASES, lease, { signal });
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}
