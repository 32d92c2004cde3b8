import assert from "node:assert/strict";
import { test } from "node:test";

import { waitFor } from "../../test/harness/wait.ts";
import { RECORD_STALL_MS } from "../limits.ts";
import { ANNOTATIONS } from "../objects/metadata.ts";
import { CHANGES, DIGEST, PLAN } from "../testing/records.ts";
import { CORRUPT, FAILING, reconcilerRig as setUp } from "../testing/reconciler-rig.ts";

const { detected, planned, started } = CHANGES;
const IMAGE = "registry.test:5000/app:v1";

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

test("a transfer that another controller began is cancelled in this term's name before its record ends", async (t) => {
  const { show, record, step, driver, server } = await setUp(t);
  const running = await record(detected, planned, started);
  show({ ...FAILING, annotations: { [ANNOTATIONS.autoSalvage]: "false" } });
  const writesBefore = server.requests.length;
  let written = 0;
  driver.onCancel = () => {
    written = server.requests.slice(writesBefore).filter(({ verb }) => verb === "update").length;
  };
  assert.equal((await step(running)).reason, "OptedOut");
  assert.deepEqual(driver.cancelled, [DIGEST]);
  assert.equal(driver.cancels[0]?.epoch, 7);
  assert.equal(driver.cancels[0]?.targetNode, "node-b");
  assert.equal(written, 0, "the record ended before the import did");
});

test("an agent that cannot be asked to cancel does not keep the record open", async (t) => {
  const { show, record, step, driver } = await setUp(t);
  const running = await record(detected, planned, started);
  show({ ...FAILING, annotations: { [ANNOTATIONS.autoSalvage]: "false" } });
  driver.onCancel = () => {
    throw new Error("node node-b has no ready agent");
  };
  assert.equal((await step(running)).reason, "OptedOut");
});

test("an import that another record waits for, too, is not cancelled", async (t) => {
  const { show, record, follow, step, driver, questions } = await setUp(t);
  questions.have(["node-a"]);
  show(FAILING);
  const waiting = await record(detected, planned);
  await follow(waiting);
  assert.equal(driver.imports.length, 1);
  const gone = await record({ ...detected, pods: [{ name: "web-2", uid: "uid-web-2" }] }, planned, started);
  show({ ...FAILING, annotations: { [ANNOTATIONS.autoSalvage]: "false" } });
  assert.equal((await step(gone)).reason, "OptedOut");
  assert.deepEqual(driver.cancelled, []);
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
});

test("a stale record is removed by what all nodes say at the time, not by what they have said", async (t) => {
  const { show, record, follow, driver, questions } = await setUp(t);
  questions.have(["node-b"], { isComplete: false, isRunnable: false });
  questions.lack("node-a");
  show(CORRUPT);
  // node-a gets the image between the first look and the second
  questions.onForget = (node) => {
    if (node === "node-a") questions.have(["node-a"]);
  };
  await follow(await record());
  assert.deepEqual(questions.forgotten, ["node-a", "node-b"]);
  assert.deepEqual(driver.removed, []);
  assert.deepEqual(driver.imports[0]?.task.sources, ["node-a"]);
});

test("a controller that does not lead any more removes nothing", async (t) => {
  const { show, record, step, reconcile, driver, questions, depose } = await setUp(t);
  questions.have(["node-b"], { isComplete: false, isRunnable: false });
  questions.lack("node-a");
  show(CORRUPT);
  const made = await record();
  await step(made);
  questions.onForget = depose;
  await assert.rejects(reconcile(made), /another leads/);
  assert.deepEqual(driver.removed, []);
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

test("a record that cannot be read any more is said once, and its transfer goes on", async (t) => {
  const { show, record, follow, reconcile, questions, driver, book, records, transfers, errors } =
    await setUp(t);
  questions.have(["node-a"]);
  show(FAILING);
  const running = await record(detected, planned);
  await follow(running);
  const key = `shop/${running.metadata.name}`;
  records.set(key, { resourceVersion: "99", record: undefined, problem: "status.phase is 7" });
  book.forget(key);
  await reconcile(running);
  await reconcile(running);
  assert.equal(transfers.isRunning(key), true);
  assert.deepEqual(driver.cancelled, []);
  assert.equal(errors.length, 1);
  assert.match(errors[0] ?? "", new RegExp(`${key}.*status.phase is 7`));
});

test("a record of the original that breaks today's rules is given up, and that is said once", async (t) => {
  const { order, reconcile, server } = await setUp(t);
  const old = order({ sourceNode: "node-a", targetNode: "Node B", imageRef: IMAGE });
  assert.equal((await reconcile(old)).kind, "given-up");
  const before = server.requests.length;
  assert.deepEqual(await reconcile(old), { kind: "done" });
  assert.equal(server.requests.length, before);
});
