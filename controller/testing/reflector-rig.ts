import type { TestContext } from "node:test";

import { silentLogger } from "../../lib/log.ts";
import { asText, fieldAt } from "../../test/harness/apiserver/json.ts";
import { createApiServer } from "../../test/harness/apiserver/server.ts";
import type { ApiServer, ApiServerOptions } from "../../test/harness/apiserver/types.ts";
import { createCleanup } from "../../test/harness/cleanup.ts";
import { kubeClient } from "../../test/harness/kube-client.ts";
import { createManualClock, type ManualClock } from "../../test/harness/manual-clock.ts";
import type { KubeObject } from "../kube/objects.ts";
import { Reflector, type ReflectorOptions } from "../kube/reflector.ts";
import { PODS } from "../kube/resources.ts";
import { passUntil } from "./pass-until.ts";

/** A pod as the reflector of the tests keeps it. */
export interface Stripped {
  readonly resourceVersion: string;
  readonly phase: string;
  readonly node: string;
}

/** A reflector of pods, and the API server that it follows. */
export interface ReflectorRig {
  readonly server: ApiServer;
  readonly clock: ManualClock;
  readonly reflector: Reflector<Stripped, "node">;
  /** "added shop/web" and so on */
  readonly told: string[];
  /** how lists and watches ended */
  readonly ends: string[];
  /** requests of lists and watches, e.g. "list" or "watch 1005" */
  readonly asked: () => string[];
  /** the same as "list" and "watch" alone, without the watches that follow the last list */
  readonly verbs: () => string[];
  /** Lets time pass until something is so; network and timers both get their turn. */
  readonly until: (what: string, check: () => boolean, stepMs?: number) => Promise<void>;
}

/** What the tests keep of a pod. */
export function strip(object: KubeObject): Stripped {
  return {
    resourceVersion: object.metadata.resourceVersion ?? "",
    phase: asText(fieldAt(object, "status.phase")),
    node: asText(fieldAt(object, "spec.nodeName")),
  };
}

/** Starts both; the end of the test ends them. */
export async function startReflector(
  t: TestContext,
  options: Partial<ApiServerOptions> = {},
  own: Partial<ReflectorOptions<Stripped, "node">> = {},
): Promise<ReflectorRig> {
  const cleanup = createCleanup(t);
  const server = await createApiServer({ cleanup, bookmarkIntervalMs: 3_600_000, ...options });
  const clock = createManualClock();
  const { api } = await kubeClient({ server, cleanup, clock });
  const told: string[] = [];
  const ends: string[] = [];
  const reflector = new Reflector<Stripped, "node">({
    api,
    resource: PODS,
    strip,
    indexers: { node: ({ node }) => (node === "" ? [] : [node]) },
    clock,
    random: () => 0.5,
    logger: silentLogger,
    observer: { listed: () => ends.push("listed"), ended: (how) => ends.push(how), event: () => undefined },
    ...own,
  });
  reflector.subscribe({
    added: (key) => told.push(`added ${key}`),
    updated: (key) => told.push(`updated ${key}`),
    deleted: (key) => told.push(`deleted ${key}`),
  });
  const stop = new AbortController();
  const running = reflector.run(stop.signal);
  cleanup.add({
    name: "stop the reflector",
    undo: async () => {
      stop.abort(new Error("end of the test"));
      await running;
    },
  });
  const requests = (): ApiServer["requests"] => server.requests.filter(({ resource }) => resource === "pods");
  return {
    server,
    clock,
    reflector,
    told,
    ends,
    asked: () =>
      requests().map(({ verb, query }) => (verb === "watch" ? `watch ${query["resourceVersion"]}` : verb)),
    verbs() {
      const all = requests().map(({ verb }) => verb);
      return all.slice(0, all.lastIndexOf("list") + 1);
    },
    until: (what, check, stepMs = 0) => passUntil({ server, clock }, what, check, stepMs),
  };
}

/** A pod for that server. */
export function pod(name: string, phase = "Pending", nodeName = "n1") {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "shop" },
    spec: { nodeName },
    status: { phase },
  };
}
