import { describeError } from "../../lib/errors.ts";
import type { Readiness } from "../../lib/health-server.ts";
import type { KubeApi } from "../kube/kube-api.ts";
import { NAMESPACES, NODES, PODS, SALVAGE_RECORDS, type KubeResource } from "../kube/resources.ts";
import { counted, listed, type Check } from "./check.ts";

/** What a controller watches. */
export const WATCHED: readonly KubeResource[] = [PODS, NODES, NAMESPACES, SALVAGE_RECORDS];

/** How long the API server is asked to serve a watch on trial. */
const TRIAL_SECONDS = 1;

/** How a watch went. */
export interface WatchTrial {
  /** plural */
  readonly resource: string;
  /** why it failed, "" when it did not */
  readonly why: string;
}

/** Lists one object of each kind and watches for a second: a proxy that holds back watches shows here. */
export async function tryWatches(
  api: Pick<KubeApi, "list" | "watch">,
  signal: AbortSignal,
): Promise<readonly WatchTrial[]> {
  return await Promise.all(
    WATCHED.map(async (resource) => {
      try {
        await tryWatch(api, resource, signal);
        return { resource: resource.plural, why: "" };
      } catch (error) {
        signal.throwIfAborted();
        return { resource: resource.plural, why: describeError(error) };
      }
    }),
  );
}

async function tryWatch(
  api: Pick<KubeApi, "list" | "watch">,
  resource: KubeResource,
  signal: AbortSignal,
): Promise<void> {
  for await (const page of api.list(resource, { signal, limit: 1 })) {
    const { resourceVersion } = page.metadata;
    const watch = api.watch(resource, { signal, resourceVersion, timeoutSeconds: TRIAL_SECONDS });
    for await (const event of watch) {
      if (event.type === "ERROR") throw new Error(event.object.message ?? "the watch ended with an error");
    }
    return;
  }
}

/** What the check of watches goes by. */
export interface WatchFacts {
  readonly trials: readonly WatchTrial[];
  /** the controller's own word, from its /readyz; undefined when it was not asked */
  readonly readiness: Readiness | undefined;
  /** the controllers' pods that are not ready, which they are when their watches are */
  readonly unready: readonly string[];
}

/** Whether watches work, and the controller's are up to date. Pure. */
export function checkWatches({ trials, readiness, unready }: WatchFacts): Check {
  const name = "watches";
  const failed = trials.filter(({ why }) => why !== "").map(({ resource, why }) => `${resource}: ${why}`);
  if (failed.length > 0) return { name, status: "fail", message: `cannot be watched: ${failed.join("; ")}` };
  if (readiness !== undefined && !readiness.ready) {
    return { name, status: "fail", message: `the controller is not ready: ${readiness.reason}` };
  }
  if (readiness === undefined && unready.length > 0) {
    const message = `not ready, so its watches may be behind: ${listed(unready)}; kubectl logs tells why`;
    return { name, status: "fail", message };
  }
  const tried = `${counted(trials.length, "kind")} of objects can be watched`;
  const own = readiness === undefined ? "" : ", the controller's own watches are up to date";
  return { name, status: "ok", message: `${tried}${own}` };
}
