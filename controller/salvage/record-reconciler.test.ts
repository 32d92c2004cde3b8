import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { createClient, createRouterTransport } from "@connectrpc/connect";

import { silentLogger } from "../../lib/log.ts";
import { waitFor } from "../../test/harness/wait.ts";
import { AgentService } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { fixedAgents } from "../agents/agent-directory.ts";
import type { Outcome } from "../kube/workers.ts";
import { RECORD_STALL_MS } from "../limits.ts";
import { ANNOTATIONS } from "../objects/metadata.ts";
import type { SalvageRecord } from "../objects/salvage-record.ts";
import { Recovery } from "../recover/recovery.ts";
import { FakeDriver, FakeQuestions } from "../testing/fake-agents.ts";
import { node } from "../testing/nodes.ts";
import type { PodOptions } from "../testing/pods.ts";
import { CHANGES, DIGEST, PLAN } from "../testing/records.ts";
import { salvageRig, type SalvageRig } from "../testing/salvage-rig.ts";
import { FirstStatus } from "./first-status.ts";
import { ImageFinder } from "./image-finder.ts";
import { Planner } from "./planner.ts";
import { RecordReconciler } from "./record-reconciler.ts";
import { StallWatch } from "./stall-watch.ts";
import { TransferSlots } from "./transfer-slots.ts";
import { TransferStarter } from "./transfer-starter.ts";
import { Transfers } from "./transfers.ts";

const { detected, planned, started } = CHANGES;
const IMAGE = "registry.test:5000/app:v1";
const ORDER_SPEC = { imageRef: IMAGE, targetNode: "node-b" };
const FAILING: PodOptions = {
  name: "web-1",
  containers: [{ waiting: { reason: "ErrImagePull", message: "connection refused" } }],
};
const CORRUPT: PodOptions = {
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

interface Case extends SalvageRig {
  readonly driver: FakeDriver;
  readonly questions: FakeQuestions;
  readonly transfers: Transfers;
  /** Takes a record one step. */
  readonly reconcile: (record: SalvageRecord) => Promise<Outcome>;
  /** Takes a record one step, and gives its status. */
  readonly step: (record: SalvageRecord) => Promise<SalvageRecord["status"]>;
  /** Takes it on until an import is asked for, or it has ended. */
  readonly follow: (record: SalvageRecord) => Promise<SalvageRecord["status"]>;
  /** A record made by hand. */
  readonly order: (spec: Readonly<Record<string, string>>) => SalvageRecord;
}

async function setUp(t: TestContext): Promise<Case> {
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
  const rules = { authorisation: "repository", maxImageBytes: 0, minFreePercent: 20 } as const;
  const term = new AbortController();
  const now = (): number => clock.now();
  const monotonic = (): number => clock.monotonic();
  const transfers = new Transfers({
    driver,
    keeper,
    questions,
    now,
    monotonic,
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
    planner: new Planner({ view, finder, clients: { get: () => agent }, rules }),
    firstStatus: new FirstStatus({ view, failures, optIn, book, now }),
    starter: new TransferStarter({ finder, keeper, slots, transfers, epoch: 7 }),
    transfers,
    driver,
    questions,
    recovery: new Recovery({ api, pods, failures, optIn, keeper, now }),
    stalls: new StallWatch({ now, monotonic }),
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

test("a record goes from new to a transfer, of the authorised plan and in the term's name", async (t) => {
  const { show, record, follow, driver, questions, transfers, book } = await setUp(t);
  questions.have(["node-a"]);
  questions.lack("node-b");
  show(FAILING);
  const made = await record();
  const { phase, plan } = await follow(made);
  assert.equal(phase, "Transferring");
  const [job] = driver.imports;
  assert.deepEqual(
    [job?.task.digest, job?.task.names, job?.task.targetNode, job?.task.sources, job?.task.epoch],
    [plan?.digest, [IMAGE], "node-b", ["node-a"], 7],
  );
  job?.succeed();
  await transfers.settled();
  assert.equal(book.get(`shop/${made.metadata.name}`)?.status.reason, "Salvaged");
});

test("a plan that another controller made is taken on without asking anew", async (t) => {
  const { show, record, follow, driver, questions } = await setUp(t);
  questions.have(["node-a"], { names: ["registry.test:5000/another:v1"] });
  show(FAILING);
  await follow(await record(detected, planned));
  assert.deepEqual(driver.imports[0]?.task.digest, PLAN.digest);
});

test("a workload that opts out in the middle stops its transfer, one that never asked is refused", async (t) => {
  const { show, record, follow, step, transfers, questions, book, driver } = await setUp(t);
  questions.have(["node-a"]);
  show(FAILING);
  const running = await record(detected, planned);
  await follow(running);
  const annotations = { [ANNOTATIONS.autoSalvage]: "false" };
  show({ ...FAILING, annotations });
  await step(running);
  await transfers.settled();
  assert.equal(book.get(`shop/${running.metadata.name}`)?.status.reason, "OptedOut");
  assert.deepEqual(driver.cancelled, [DIGEST]);
  const fresh = await record(detected);
  const { phase, reason } = await step(fresh);
  assert.deepEqual([phase, reason], ["Refused", "WorkloadNotOptedIn"]);
});

test("a plan that the API server takes for invalid ends the record, and is not tried again", async (t) => {
  const { show, record, reconcile, questions, server, book } = await setUp(t);
  show(FAILING);
  questions.have(["node-a"]);
  const waiting = await record(detected);
  const fault = { resource: "salvagerecords", subresource: "status", kind: "status", status: 422 } as const;
  const remove = server.faults.add({ ...fault, reason: "Invalid", message: "status.plan: wrong", times: 1 });
  const outcome = await reconcile(waiting);
  remove();
  assert.equal(outcome.kind, "given-up");
  const { phase, reason, message, plan } = book.get(`shop/${waiting.metadata.name}`)?.status ?? {};
  assert.deepEqual([phase, reason, plan], ["Failed", "RecordInvalid", undefined]);
  assert.match(message ?? "", /status\.plan: wrong/);
});

test("a target that is gone ends what was planned for it, and refuses what was not", async (t) => {
  const { show, record, step, nodes } = await setUp(t);
  show(FAILING);
  nodes.delete("node-b");
  assert.equal((await step(await record(detected, planned))).reason, "TargetGone");
  assert.equal((await step(await record(detected))).phase, "Refused");
});

test("pods that run without help settle the record, pods that are gone end it", async (t) => {
  const { show, record, step, remove } = await setUp(t);
  show({ name: "web-1", containers: [{ isRunning: true }] });
  assert.equal((await step(await record(detected, planned))).reason, "RecoveredAlone");
  remove("web-1");
  assert.equal((await step(await record(detected, planned))).reason, "TargetGone");
});

test("a record that nothing moves for half an hour ends", async (t) => {
  const { show, record, step, clock, questions } = await setUp(t);
  questions.lack("node-a", "node-b");
  show(FAILING);
  const open = await record(detected, planned, started);
  assert.equal((await step(open)).phase, "Transferring");
  await clock.advance(RECORD_STALL_MS);
  assert.equal((await step(open)).reason, "Stalled");
});

test("a corrupt image that nobody has loses its stale record, by name and digest, and nothing before", async (t) => {
  const { show, record, follow, driver, questions } = await setUp(t);
  questions.have(["node-b"], { isComplete: false, isRunnable: false });
  show(CORRUPT);
  const first = await follow(await record());
  assert.deepEqual([first.phase, first.reason], ["Refused", "NoSource"], "node-a has not answered");
  assert.deepEqual(driver.removed, []);
  questions.lack("node-a");
  const { reason } = await follow(await record());
  assert.equal(reason, "StaleRecordRemoved");
  assert.deepEqual(driver.removed, [`node-b ${IMAGE} ${DIGEST}`]);
  assert.deepEqual(questions.forgotten, ["node-b"]);
});

test("a stale record that was removed counts as removed, although that could not be written at first", async (t) => {
  const { show, record, step, reconcile, questions, server, driver } = await setUp(t);
  questions.have(["node-b"], { isComplete: false, isRunnable: false });
  questions.lack("node-a");
  show(CORRUPT);
  const made = await record();
  await step(made);
  const fault = { resource: "salvagerecords", subresource: "status", kind: "status", status: 500 } as const;
  const remove = server.faults.add({ ...fault, reason: "InternalError", message: "etcd is away", times: 1 });
  await assert.rejects(reconcile(made), /etcd is away/);
  remove();
  assert.equal(driver.removed.length, 1);
  // the kubelet pulls by now, and the controller may be another one
  questions.lack("node-b");
  show(FAILING);
  const { phase, reason } = await step(made);
  assert.deepEqual([phase, reason], ["Completed", "StaleRecordRemoved"]);
  assert.equal(driver.removed.length, 1);
});

test("a pod whose image was never corrupt is refused when nobody knows it", async (t) => {
  const { show, record, follow, questions } = await setUp(t);
  questions.lack("node-a", "node-b");
  show(FAILING);
  const { phase, reason } = await follow(await record(detected));
  assert.deepEqual([phase, reason], ["Refused", "ImageUnresolved"]);
});

test("a record that is deleted in the middle cancels its import", async (t) => {
  const { show, record, follow, step, questions, driver, book, server, transfers } = await setUp(t);
  questions.have(["node-a"]);
  show(FAILING);
  const running = await record(detected, planned);
  await follow(running);
  server.delete("salvagerecords", `shop/${running.metadata.name}`);
  book.forget(`shop/${running.metadata.name}`);
  await step(running);
  await waitFor("the cancellation", () => driver.cancelled.length === 1);
  await transfers.settled();
});

test("an order gets its image without a pod", async (t) => {
  const { order, follow, driver, questions } = await setUp(t);
  questions.have(["node-a"]);
  questions.lack("node-b");
  await follow(order(ORDER_SPEC));
  assert.deepEqual(driver.imports[0]?.task.names, [IMAGE]);
});

test("an order has no more rights than its namespace", async (t) => {
  const { order, follow, driver, questions, namespaces } = await setUp(t);
  questions.have(["node-a"]);
  questions.lack("node-b");
  namespaces.delete("shop");
  const { phase, reason } = await follow(order(ORDER_SPEC));
  assert.deepEqual([phase, reason], ["Refused", "NamespaceNotOptedIn"]);
  assert.deepEqual(driver.imports, []);
});

test("an order of another digest than its tag means is refused", async (t) => {
  const { order, follow, questions, driver } = await setUp(t);
  questions.have(["node-a"]);
  questions.lack("node-b");
  const foreign = `sha256:${"f".repeat(64)}`;
  const { phase } = await follow(order({ ...ORDER_SPEC, digest: foreign }));
  assert.equal(phase, "Refused");
  assert.deepEqual(driver.imports, []);
});
