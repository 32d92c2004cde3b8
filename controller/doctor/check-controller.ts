import { counted, type Check } from "./check.ts";

/** Who leads, as the Lease tells. */
export type Leadership =
  | { readonly kind: "held"; readonly holder: string }
  /** nobody has renewed it while the doctor looked on */
  | { readonly kind: "stale"; readonly holder: string }
  /** its last holder gave it back */
  | { readonly kind: "free" }
  | { readonly kind: "absent" };

/** What the check of the controller goes by. */
export interface ControllerFacts {
  readonly namespace: string;
  readonly leaseName: string;
  readonly leadership: Leadership;
  /** controllers' pods, and those of them that are ready */
  readonly pods: { readonly all: number; readonly ready: number };
}

/** Whether a controller is at work: pods that are ready, one that leads. Pure. */
export function checkController({ namespace, leaseName, leadership, pods }: ControllerFacts): Check {
  const name = "controller";
  const where = `Lease ${namespace}/${leaseName}`;
  const replicas = `${pods.ready} of ${counted(pods.all, "pod")} ready`;
  switch (leadership.kind) {
    case "held": {
      const message = `${leadership.holder} leads (${where}), ${pods.all === 0 ? "outside of the cluster" : replicas}`;
      return { name, status: pods.ready < pods.all ? "warn" : "ok", message };
    }
    case "stale":
      return {
        name,
        status: "fail",
        message: `nobody leads: ${leadership.holder} no longer renews ${where}; ${replicas}`,
      };
    case "free":
      return { name, status: "fail", message: `nobody leads: ${where} was given back; ${replicas}` };
    case "absent":
      if (pods.ready === 0) {
        const message = `no controller in namespace ${namespace} (no ${where}, ${replicas}): say where it is with --namespace`;
        return { name, status: "fail", message };
      }
      return { name, status: "warn", message: `${replicas}, without a ${where}: leader election is off` };
  }
}
