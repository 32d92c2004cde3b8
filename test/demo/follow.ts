import type { KubeApi } from "../../controller/kube/kube-api.ts";
import type { KubeObject } from "../../controller/kube/objects.ts";
import type { KubeResource } from "../../controller/kube/resources.ts";

/** How long the API server is asked to serve the watch, in seconds: longer than any demo. */
const WATCH_SECONDS = 600;

/** Shows objects of a namespace as they are and as they change, until the signal fires. */
export async function follow(
  api: Pick<KubeApi, "list" | "watch">,
  of: KubeResource,
  options: {
    readonly namespace: string;
    readonly show: (object: KubeObject) => void;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { namespace, show, signal } = options;
  let resourceVersion = "";
  for await (const page of api.list(of, { namespace, signal })) {
    for (const item of page.items) show(item);
    ({ resourceVersion } = page.metadata);
  }
  try {
    const watch = api.watch(of, { namespace, resourceVersion, timeoutSeconds: WATCH_SECONDS, signal });
    for await (const event of watch) {
      if (event.type === "ADDED" || event.type === "MODIFIED") show(event.object);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
