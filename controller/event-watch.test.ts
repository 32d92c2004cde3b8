import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Registry } from "prom-client";

import { systemClock } from "../lib/clock.ts";
import { createLogger } from "../lib/log.ts";
import { createCleanup } from "../test/harness/cleanup.ts";
import { kubeClient } from "../test/harness/kube-client.ts";
import { createManualClock } from "../test/harness/manual-clock.ts";
import { waitFor } from "../test/harness/wait.ts";
import { createApiServer } from "../test/harness/apiserver/server.ts";
import type { ApiServer } from "../test/harness/apiserver/types.ts";
import { createEventWatch, type EventWatch, type EventWatchOptions } from "./event-watch.ts";
import type { KubeApi } from "./kube/kube-api.ts";
import { createKubeMetrics } from "./kube/metrics.ts";
import { EVENTS_FORBIDDEN_RETRY_MS } from "./limits.ts";

const REASONS = ["Pulling", "Pulled", "Failed", "FailedCreatePodSandBox"];

describe("Events of kubelets", () => {
  const cleanup = createCleanup();
  let server: ApiServer;
  let api: KubeApi;
  let putCount = 0;
  before(async () => {
    server = await createApiServer({ cleanup });
    ({ api } = await kubeClient({ server, cleanup }));
  });
  after(() => cleanup.run());

  function put(reason: string, note: string, kind = "Pod"): void {
    putCount += 1;
    server.put({
      apiVersion: "events.k8s.io/v1",
      kind: "Event",
      metadata: { name: `web-1.${putCount}`, namespace: "shop" },
      reason,
      note,
      regarding: { kind, namespace: "shop", name: "web-1", uid: "u1", fieldPath: "spec.containers{app}" },
      eventTime: null,
      deprecatedLastTimestamp: "2026-08-01T10:00:00Z",
    });
  }

  function start(options: Partial<EventWatchOptions> = {}): {
    readonly events: EventWatch;
    readonly told: string[];
    readonly log: string[];
    readonly stop: () => Promise<void>;
  } {
    const told: string[] = [];
    const log: string[] = [];
    const write = (line: string): void => void log.push(line);
    const events = createEventWatch({
      api,
      clock: systemClock,
      random: () => 0.5,
      logger: createLogger({ name: "test", level: "warn", format: "json", now: () => 0, write }),
      metrics: createKubeMetrics(new Registry()),
      onEvent: (key) => told.push(key),
      ...options,
    });
    const stopped = new AbortController();
    const running = events.run(stopped.signal);
    const stop = async (): Promise<void> => {
      stopped.abort();
      await running;
    };
    return { events, told, log, stop };
  }

  test("the few that tell something are kept and passed on, whatever else is said", async () => {
    put("Pulling", 'Pulling image "r.test/app:v1"');
    put("Scheduled", "Successfully assigned shop/web-1 to node-b");
    put("Pulled", 'Container image "r.test/app:v1" already present on machine');
    put("Failed", "no pod at all", "Node");
    const { events, told, stop } = start();
    await waitFor("the first one", () => told.length === 1);
    put("Started", "Started container app");
    put("Failed", "Error: ErrImagePull");
    put("Pulled", 'Successfully pulled image "r.test/app:v1" in 1s');
    await waitFor("the next one", () => told.length === 2);
    assert.deepEqual(
      events.about("u1").map(({ reason }) => reason),
      ["Pulling", "Pulled"],
    );
    assert.deepEqual(told, ["shop/web-1", "shop/web-1"]);
    assert.deepEqual(events.about("u2"), []);
    const selectors = server.requests
      .filter(({ resource, verb }) => resource === "events" && verb === "watch")
      .map(({ query }) => query["fieldSelector"]);
    assert.deepEqual(
      new Set(selectors),
      new Set(REASONS.map((reason) => `regarding.kind=Pod,reason=${reason}`)),
    );
    await stop();
  });

  test("without the right to read them, this is said once, and tried again now and then", async () => {
    const clock = createManualClock();
    const { told, log, stop } = start({ clock });
    const allow = server.faults.add({ kind: "status", status: 403, reason: "Forbidden", resource: "events" });
    const asked = (): number => server.requests.filter(({ status }) => status === 403).length;
    for (let times = 1; times <= 3; times += 1) {
      await waitFor("it to ask", () => asked() >= times && clock.sleepers > 0);
      await clock.advance(EVENTS_FORBIDDEN_RETRY_MS);
    }
    assert.equal(log.length, 1);
    assert.match(log[0] ?? "", /grant list and watch on events of events\.k8s\.io/);
    allow();
    await waitFor("what was said meanwhile", async () => {
      await clock.advance(EVENTS_FORBIDDEN_RETRY_MS);
      return told.length > 0;
    });
    await stop();
  });
});
