/** Events of kubelets about the pod "web-1" and others, for tests. */

import type { KubeletEvent } from "../detect/kubelet-event.ts";

/** An Event as it is kept; by default about the container "app" of the pod "web-1". */
export function kubeletEvent(
  reason: string,
  time: number,
  more: Partial<Omit<KubeletEvent, "reason" | "time">> = {},
): KubeletEvent {
  return {
    resourceVersion: "1",
    reason,
    message: reason === "Pulling" ? 'Pulling image "registry.test:5000/app:v1"' : "",
    podKey: "shop/web-1",
    podUid: "uid-web-1",
    container: reason === "FailedCreatePodSandBox" ? "" : "app",
    time,
    ...more,
  };
}
