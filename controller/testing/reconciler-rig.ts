/** A reconciler of records with all that it works with, for tests: agents and imports go as the test says. */

import type { TestContext } from "node:test";

import { createClient, createRouterTransport } from "@connectrpc/connect";

import { createLogger, silentLogger } from "../../lib/log.ts";
import { AgentService } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { fixedAgents } from "../agents/agent-directory.ts";
import { NotLeadingError } from "../kube/leader-term.ts";
import type { Outcome } from "../kube/workers.ts";
import type { SalvageRecord } from "../objects/salvage-record.ts";
import { Recovery } from "../recover/recovery.ts";
import { AgeWatch } from "../salvage/age-watch.ts";
import { FirstStatus } from "../salvage/first-status.ts";
import { ImageFinder } from "../salvage/image-finder.ts";
import { Planner } from "../salvage/planner.ts";
import { RecordReconciler } from "../salvage/record-reconciler.ts";
import { StallWatch } from "../salvage/stall-watch.ts";
import { TransferSlots } from "../salvage/transfer-slots.ts";
import { TransferStarter } from "../salvage/transfer-starter.ts";
import { Transfers } from "../salvage/transfers.ts";
import { FakeDriver, FakeQuestions } from "./fake-agents.ts";
import { node } from "./nodes.ts";
import type { PodOptions } from "./pods.ts";
import { DIGEST } from "./records.ts";
import { RULES, salvageRig, type SalvageRig } from "./salvage-rig.ts";

/** A pod that fails for its image, for {@link reconcilerRig}. */
export const FAILING: PodOptions = {
  name: "web-1",
  containers: [{ waiting: { reason: "ErrImagePull", message: "connection refused" } }],
};
/** One whose image is corrupt on its node. */
export const CORRUPT: PodOptions = {
  name: "web-1",
  containers: [
    {
      waiting: {
        reason: "CreateContainerError",
        message: `error unpacking image: failed to extract layer: content digest ${DIGEST}: not found`,
      },
    },
  ],
};

/** What {@link reconcilerRig} makes. */
export interface ReconcilerRig extends SalvageRig {
  readonly driver: FakeDriver;
  readonly questions: FakeQuestions;
  readonly transfers: Transfers;
  /** errors that it has logged, as JSON lines */
  readonly errors: readonly string[];
  /** Another leads from now on. */
  readonly depose: () => void;
  /** Takes a record one step. */
  readonly reconcile: (record: SalvageRecord) => Promise<Outcome>;
  /** Takes a record one step, and gives its status. */
  readonly step: (record: SalvageRecord) => Promise<SalvageRecord["status"]>;
  /** Takes it on until an import is asked for, or it has ended. */
  readonly follow: (record: SalvageRecord) => Promise<SalvageRecord["status"]>;
  /** A record made by hand. */
  readonly order: (spec: Readonly<Record<string, string>>) => SalvageRecord;
}

/** Builds it in the term 7 of a leader, with nodes node-a and node-b; it ends with the test. */
export async function reconcilerRig(t: TestContext): Promise<ReconcilerRig> {
  const rig = await salvageRig(t);
  const { api, pods, nodes, failures, optIn, book, keeper, clock, server, signal } = rig;
  for (const name of ["node-a", "node-b"]) nodes.set(name, node(name));
  const questions = new FakeQuestions();
  const driver = new FakeDriver();
  const view = { pods: { store: pods }, nodes: { store: nodes } };
  const directory = fixedAgents(new Map(["node-a", "node-b"].map((name) => [name, `http://${name}`])));
  const finder = new ImageFinder({ view, questions, directory });
  const agent = createClient(
    AgentService,
    createRouterTransport(({ service }) => {
      service(AgentService, { getNode: () => ({}) });
    }),
  );
  const errors: string[] = [];
  const term = new AbortController();
  const now = (): number => clock.now();
  const monotonic = (): number => clock.monotonic();
  const ages = new AgeWatch({ now, monotonic });
  const transfers = new Transfers({
    driver,
    keeper,
    questions,
    now,
    monotonic,
    sleep: (milliseconds, until) => clock.sleep(milliseconds, until),
    random: () => 0.5,
    logger: silentLogger,
    again: () => undefined,
    signal: term.signal,
  });
  t.after(async () => {
    term.abort();
    await transfers.settled();
  });
  const slots = new TransferSlots({
    limits: { total: 32, perTarget: 1, perSource: 2 },
    onFree: () => undefined,
  });
  const reconciler = new RecordReconciler({
    view,
    failures,
    book,
    keeper,
    optIn,
    finder,
    planner: new Planner({ view, finder, clients: { get: () => agent }, rules: RULES }),
    firstStatus: new FirstStatus({ view, failures, optIn, book, now }),
    starter: new TransferStarter({ finder, keeper, slots, transfers, epoch: 7 }),
    transfers,
    driver,
    questions,
    recovery: new Recovery({ api, pods, failures, optIn, keeper, now, ages }),
    ages,
    stalls: new StallWatch({ now, monotonic }),
    assertLeading: () => term.signal.throwIfAborted(),
    logger: createLogger({
      name: "record",
      level: "error",
      format: "json",
      now,
      write: (line) => void errors.push(line),
    }),
  });
  const keyOfRecord = ({ metadata }: SalvageRecord): string => `shop/${metadata.name}`;
  const statusOf = (record: SalvageRecord) => book.get(keyOfRecord(record))?.status ?? {};
  const reconcile = (record: SalvageRecord) => reconciler.reconcile(keyOfRecord(record), signal);
  const step = async (record: SalvageRecord) => {
    await reconcile(record);
    return statusOf(record);
  };
  return {
    ...rig,
    driver,
    questions,
    transfers,
    errors,
    depose: () => term.abort(new NotLeadingError("another leads")),
    reconcile,
    step,
    async follow(record) {
      for (let steps = 0; steps < 10 && driver.imports.length === 0; steps += 1) {
        const { completedAt } = await step(record);
        if (completedAt !== undefined) break;
      }
      return statusOf(record);
    },
    order(spec) {
      const metadata = { name: "order", namespace: "shop" };
      const body = { apiVersion: "tote.dev/v1alpha1", kind: "SalvageRecord", metadata, spec };
      const { uid = "", resourceVersion = "", creationTimestamp = "" } = server.put(body).metadata;
      const made = { ...metadata, uid, resourceVersion, creationTimestamp, labels: {}, isDeleting: false };
      const record = { metadata: made, spec, status: {} };
      rig.records.set("shop/order", { resourceVersion, record, problem: "" });
      return record;
    },
  };
}
