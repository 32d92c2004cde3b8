/** The parts that reconcilers work with, for tests: an API server in memory, stores that the test fills, a clock by hand. */

import type { TestContext } from "node:test";

import { silentLogger } from "../../lib/log.ts";
import { createApiServer, parseObject } from "../../test/harness/apiserver/server.ts";
import type { ApiServer } from "../../test/harness/apiserver/types.ts";
import { createCleanup } from "../../test/harness/cleanup.ts";
import { kubeClient } from "../../test/harness/kube-client.ts";
import { createManualClock, type ManualClock } from "../../test/harness/manual-clock.ts";
import {
  NODE_INDEXERS,
  POD_INDEXERS,
  RECORD_INDEXERS,
  type KeptRecord,
  type NodeIndex,
  type PodIndex,
  type RecordIndex,
} from "../cluster-view.ts";
import { FailureWatch } from "../detect/failure-watch.ts";
import { OptInCheck } from "../detect/opt-in-check.ts";
import { OwnerChain } from "../detect/owner-chain.ts";
import type { KubeApi } from "../kube/kube-api.ts";
import { keyOf } from "../kube/resources.ts";
import { Store } from "../kube/store.ts";
import { ANNOTATIONS } from "../objects/metadata.ts";
import type { StrippedNamespace } from "../objects/namespace.ts";
import type { StrippedNode } from "../objects/node.ts";
import type { StrippedPod } from "../objects/pod.ts";
import type { SalvageRecord } from "../objects/salvage-record.ts";
import type { ControllerMetrics } from "../report/metrics.ts";
import { newRecord } from "../salvage/new-record.ts";
import type { PlanRules } from "../salvage/planner.ts";
import { RecordBook } from "../salvage/record-book.ts";
import type { RecordChange } from "../salvage/record-change.ts";
import { RecordKeeper } from "../salvage/record-keeper.ts";
import { parseCrd } from "./crd.ts";
import { pod, rawPod, type PodOptions } from "./pods.ts";
import { DIGEST, T0 } from "./records.ts";

/** The rules of a planner: those of the flags' defaults, and no limit of size. */
export const RULES: PlanRules = {
  authorisation: "repository",
  maxImageBytes: 0,
  minFreePercent: 20,
  detectsOnly: false,
};

/** What {@link salvageRig} makes. */
export interface SalvageRig {
  readonly server: ApiServer;
  readonly api: KubeApi;
  readonly clock: ManualClock;
  readonly pods: Store<StrippedPod, PodIndex>;
  readonly nodes: Store<StrippedNode, NodeIndex>;
  readonly records: Store<KeptRecord, RecordIndex>;
  readonly namespaces: Store<StrippedNamespace>;
  readonly failures: FailureWatch;
  readonly optIn: OptInCheck;
  readonly book: RecordBook;
  readonly keeper: RecordKeeper;
  /** names of what the metrics counted */
  readonly counted: string[];
  /** keys of records that had something new to tell */
  readonly told: string[];
  readonly signal: AbortSignal;
  /** Creates a record of the controller's own in "shop" and changes it, each a second after the other. */
  readonly record: (...changes: readonly RecordChange[]) => Promise<SalvageRecord>;
  /** Shows a pod, which has opted in unless its annotations say otherwise. */
  readonly show: (options: PodOptions) => StrippedPod;
  /** A pod is gone. */
  readonly remove: (name: string) => void;
}

/** Builds the parts; they end with the test. The clock starts at {@link T0}; the namespace "shop" has opted in. */
export async function salvageRig(t: TestContext): Promise<SalvageRig> {
  const cleanup = createCleanup();
  t.after(() => cleanup.run());
  const clock = createManualClock(T0);
  const server = await createApiServer({ cleanup, crds: [parseCrd()], now: () => clock.now() });
  server.put({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
  const { api } = await kubeClient({ server, cleanup });
  const pods = new Store(POD_INDEXERS);
  const nodes = new Store(NODE_INDEXERS);
  const records = new Store(RECORD_INDEXERS);
  const namespaces = new Store<StrippedNamespace>({});
  const annotations = { [ANNOTATIONS.allow]: "true" };
  namespaces.set("shop", { name: "shop", uid: "u", resourceVersion: "1", isDeleting: false, annotations });
  const failures = new FailureWatch({ pods, clock });
  t.after(() => failures.close());
  const owners = new OwnerChain({ api, clock, logger: silentLogger });
  const optIn = new OptInCheck({ enabled: true, namespaces, owners });
  const book = new RecordBook({ api, store: records, clock });
  const { counted, metrics } = countingMetrics();
  const told: string[] = [];
  const onTransition = (key: string): void => void told.push(key);
  const keeper = new RecordKeeper({ book, metrics, logger: silentLogger, onTransition });
  const { signal } = new AbortController();
  let made = 0;
  return {
    server,
    api,
    clock,
    pods,
    nodes,
    records,
    namespaces,
    failures,
    optIn,
    book,
    keeper,
    counted,
    told,
    signal,
    async record(...changes) {
      made += 1;
      const { record } = await book.create(
        newRecord({
          key: { namespace: "shop", content: DIGEST, targetNode: "node-b" },
          repository: "registry.test:5000/app",
          episode: made,
          imageRef: "registry.test:5000/app:v1",
          podName: "web-1",
        }),
        signal,
      );
      let latest = record;
      for (const change of changes) {
        latest = (await book.change(keyOf(record.metadata), change, signal)).record;
        await clock.advance(1_000);
      }
      return latest;
    },
    show(options) {
      const opted = { annotations: { [ANNOTATIONS.autoSalvage]: "true" }, ...options };
      const shown = pod(opted);
      server.put(parseObject(JSON.stringify(rawPod(opted))));
      pods.set(keyOf(shown), shown);
      failures.podChanged(keyOf(shown));
      return shown;
    },
    remove(name) {
      server.delete("pods", `shop/${name}`);
      pods.delete(`shop/${name}`);
      failures.podChanged(`shop/${name}`);
    },
  };
}

/** Metrics that write down what they are told. */
export function countingMetrics(): {
  readonly counted: string[];
  readonly metrics: ControllerMetrics;
} {
  const counted: string[] = [];
  const count = (name: string) => (): void => void counted.push(name);
  const metrics: ControllerMetrics = {
    detected: count("detected"),
    salvageable: count("salvageable"),
    notActionable: count("notActionable"),
    corrupt: count("corrupt"),
    attempt: count("attempt"),
    salvaged: count("salvaged"),
    salvageFailed: count("salvageFailed"),
    recovered: count("recovered"),
    pushAttempt: count("pushAttempt"),
    pushed: count("pushed"),
    pushFailed: count("pushFailed"),
    registryResolved: count("registryResolved"),
  };
  return { counted, metrics };
}
