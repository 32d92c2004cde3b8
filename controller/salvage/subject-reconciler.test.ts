import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { silentLogger } from "../../lib/log.ts";
import { fixedAgents } from "../agents/agent-directory.ts";
import { subjectKey } from "../cluster-view.ts";
import { REFUSED_RECORDS_MAX } from "../limits.ts";
import { ANNOTATIONS } from "../objects/metadata.ts";
import { FakeQuestions } from "../testing/fake-agents.ts";
import { node } from "../testing/nodes.ts";
import type { PodOptions } from "../testing/pods.ts";
import { CHANGES, DIGEST, record as madeRecord, statusAfter } from "../testing/records.ts";
import { countingMetrics, RULES, salvageRig, type SalvageRig } from "../testing/salvage-rig.ts";
import { ImageFinder } from "./image-finder.ts";
import { Planner } from "./planner.ts";
import { recordName } from "./record-name.ts";
import { SubjectReconciler } from "./subject-reconciler.ts";

const { detected, planned, refused } = CHANGES;
const IMAGE = "registry.test:5000/app:v1";
const SUBJECT = subjectKey("shop", IMAGE, "node-b");
const UNREACHABLE = { reason: "ErrImagePull", message: "dial tcp: connect: connection refused" };
const BACK_OFF = { reason: "ImagePullBackOff", message: `Back-off pulling image "${IMAGE}"` };
const FAILING: PodOptions = { name: "web-1", containers: [{ waiting: UNREACHABLE }] };
const REMOVED = { type: "settled", reason: "StaleRecordRemoved", message: "nobody has it" } as const;
const OPTED_OUT = { [ANNOTATIONS.autoSalvage]: "false" };

interface Case extends SalvageRig {
  readonly questions: FakeQuestions;
  readonly reconcile: () => ReturnType<SubjectReconciler["reconcile"]>;
  /** how often a failure was counted */
  readonly detections: () => number;
  /** "key priority" of records that are to be looked at */
  readonly toldRecords: string[];
  /** what became of subjects beyond the bound of records */
  readonly overflowed: string[];
  /** records that the API server has */
  readonly made: () => number;
}

async function setUp(t: TestContext): Promise<Case> {
  const rig = await salvageRig(t);
  const { pods, nodes, failures, optIn, book, keeper, clock, server, signal } = rig;
  for (const name of ["node-a", "node-b"]) nodes.set(name, node(name));
  const questions = new FakeQuestions();
  questions.lack("node-b");
  const view = { pods: { store: pods }, nodes: { store: nodes } };
  const directory = fixedAgents(new Map([...nodes.keys()].map((name) => [name, `http://${name}`])));
  const finder = new ImageFinder({ view, questions, directory });
  const planner = new Planner({ view, finder, clients: { get: () => undefined }, rules: RULES });
  const { counted, metrics } = countingMetrics();
  const toldRecords: string[] = [];
  const overflowed: string[] = [];
  const reconciler = new SubjectReconciler({
    failures,
    optIn,
    finder,
    planner,
    book,
    keeper,
    metrics,
    logger: silentLogger,
    now: () => clock.now(),
    onRecord: (key, priority) => void toldRecords.push(`${key} ${priority}`),
    overflow: {
      refused: (subject) => void overflowed.push(`refused ${subject}`),
      forget: (subject) => void overflowed.push(`forget ${subject}`),
    },
  });
  return {
    ...rig,
    questions,
    toldRecords,
    overflowed,
    reconcile: async () => await reconciler.reconcile(SUBJECT, signal),
    detections: () => counted.filter((name) => name === "detected").length,
    made: () => server.list("salvagerecords", "shop").length,
  };
}

test("pods that fail for one image on one node share a record, by the digest that it means", async (t) => {
  const { show, reconcile, made, questions, toldRecords, server } = await setUp(t);
  questions.have(["node-a"]);
  show(FAILING);
  show({ ...FAILING, name: "web-2" });
  assert.equal((await reconcile()).kind, "again");
  await reconcile();
  assert.equal(made(), 1);
  const [made1] = server.list("salvagerecords", "shop");
  assert.deepEqual(made1?.["spec"], {
    digest: DIGEST,
    imageRef: IMAGE,
    podName: "web-1",
    targetNode: "node-b",
  });
  assert.equal(toldRecords[0], `shop/${made1.metadata.name} normal`);
});

test("a failure is counted once, however often its kubelet tries, and again when it comes back", async (t) => {
  const { show, reconcile, detections } = await setUp(t);
  show(FAILING);
  await reconcile();
  show({ ...FAILING, containers: [{ waiting: BACK_OFF }] });
  await reconcile();
  assert.equal(detections(), 1);
  show({ ...FAILING, name: "web-2" });
  await reconcile();
  assert.equal(detections(), 2);
  show({ ...FAILING, containers: [{ isRunning: true }] });
  await reconcile();
  show(FAILING);
  await reconcile();
  assert.equal(detections(), 3, "another episode, while web-2 still fails");
});

test("a failure that a record knows from a leader before is not counted again, what comes later is", async (t) => {
  const { show, record, reconcile, detections, clock } = await setUp(t);
  show(FAILING);
  show({ ...FAILING, name: "web-2" });
  await record(detected);
  await reconcile();
  assert.equal(detections(), 1, "web-2 is new to the record");
  show({ ...FAILING, containers: [{ isRunning: true }] });
  await clock.advance(1_000);
  show(FAILING);
  await reconcile();
  assert.equal(detections(), 2);
});

test("a record of the name that is about something else keeps no pod from having its own", async (t) => {
  const { show, reconcile, made, questions, server, toldRecords } = await setUp(t);
  questions.have(["node-a"]);
  const key = { namespace: "shop", content: DIGEST, targetNode: "node-b" };
  server.put({
    apiVersion: "tote.dev/v1alpha1",
    kind: "SalvageRecord",
    metadata: { name: recordName(key, "registry.test:5000/app", 1), namespace: "shop" },
    spec: { imageRef: "registry.test:5000/other:v1", targetNode: "node-a" },
  });
  show(FAILING);
  await reconcile();
  assert.equal(made(), 2);
  assert.equal(toldRecords[0], `shop/${recordName(key, "registry.test:5000/app", 2)} normal`);
});

test("pods that have not asked for tote are neither counted nor recorded", async (t) => {
  const { show, reconcile, made, detections } = await setUp(t);
  show({ ...FAILING, annotations: OPTED_OUT });
  assert.equal((await reconcile()).kind, "again");
  assert.equal(made(), 0);
  assert.equal(detections(), 0);
});

test("when all opt out the open record is looked at, so that it can stop", async (t) => {
  const { show, reconcile, record, toldRecords } = await setUp(t);
  const open = await record(detected, planned);
  show({ ...FAILING, annotations: OPTED_OUT });
  await reconcile();
  assert.deepEqual(toldRecords, [`shop/${open.metadata.name} normal`]);
});

test("when nothing fails any more its records are looked at, and no record is made", async (t) => {
  const { show, reconcile, record, toldRecords, made, remove } = await setUp(t);
  const open = await record(detected);
  show(FAILING);
  remove("web-1");
  assert.deepEqual(await reconcile(), { kind: "done" });
  assert.deepEqual(toldRecords, [`shop/${open.metadata.name} normal`]);
  assert.equal(made(), 1);
});

test("an open record learns of pods that come later and of causes that are told later", async (t) => {
  const { show, reconcile, record, book, questions, made } = await setUp(t);
  questions.have(["node-a"]);
  const open = await record({ ...detected, origin: { ...detected.origin, cause: "unknown" } });
  const status = () => book.get(`shop/${open.metadata.name}`)?.status;
  show(FAILING);
  show({ ...FAILING, name: "web-2" });
  await reconcile();
  assert.deepEqual(
    status()?.pods?.map(({ name }) => name),
    ["web-1", "web-2"],
  );
  assert.equal(status()?.cause, "unreachable");
  show({ ...FAILING, containers: [{ waiting: BACK_OFF }] });
  await reconcile();
  assert.equal(status()?.cause, "unreachable", "a message without a cause takes none away");
  assert.equal(made(), 1);
});

test("the most urgent pod that has asked decides how urgent the record is", async (t) => {
  const { show, reconcile, toldRecords } = await setUp(t);
  const asks = (priority: string) => ({
    [ANNOTATIONS.autoSalvage]: "true",
    [ANNOTATIONS.priority]: priority,
  });
  show({ ...FAILING, annotations: asks("low") });
  await reconcile();
  assert.match(toldRecords.at(-1) ?? "", / low$/);
  show({ ...FAILING, name: "web-2", annotations: asks("high") });
  show({ ...FAILING, name: "web-3", annotations: { ...asks("high"), ...OPTED_OUT } });
  await reconcile();
  assert.match(toldRecords.at(-1) ?? "", / high$/);
});

test("a pod whose stale record was removed is not refused while its kubelet pulls anew", async (t) => {
  const { show, reconcile, record, made, questions } = await setUp(t);
  show({ ...FAILING, containers: [{ waiting: { reason: "CreateContainerError", message: "gone" } }] });
  await record({ ...detected, isCorrupt: true }, REMOVED);
  // nobody knows any more what the name means
  questions.lack("node-a");
  show(FAILING);
  await reconcile();
  assert.equal(made(), 1);
});

test("what was refused is not refused in a record again and again, until it would be allowed", async (t) => {
  const { show, reconcile, record, made, questions } = await setUp(t);
  await record(detected, refused);
  questions.have(["node-a"], { names: ["registry.test:5000/another:v1"] });
  show(FAILING);
  await reconcile();
  assert.equal(made(), 1);
  questions.have(["node-a"], { names: [IMAGE] });
  questions.have(["node-b"], { isRunnable: true, names: [] });
  await reconcile();
  assert.equal(made(), 2);
});

test("beyond the bound of refused records another refusal gets none and is summed up", async (t) => {
  const { show, reconcile, made, records, overflowed, questions } = await setUp(t);
  const status = statusAfter({ ...detected, origin: { ...detected.origin, image: "other" } }, refused);
  for (let count = 0; count < REFUSED_RECORDS_MAX; count += 1) {
    const one = madeRecord({ name: `old-${count}`, namespace: "bank", status });
    records.set(`bank/old-${count}`, { resourceVersion: "1", record: one, problem: "" });
  }
  show(FAILING);
  await reconcile();
  assert.equal(made(), 0);
  assert.deepEqual(overflowed, [`refused ${SUBJECT}`]);
  questions.have(["node-a"], { names: [IMAGE] });
  questions.have(["node-b"], { isRunnable: true, names: [] });
  await reconcile();
  assert.equal(made(), 1, "one that can be helped has its record");
  assert.equal(overflowed.at(-1), `forget ${SUBJECT}`);
});
