import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { systemClock } from "../../lib/clock.ts";
import { createApiServer } from "../../test/harness/apiserver/server.ts";
import type { ApiServer } from "../../test/harness/apiserver/types.ts";
import { createCleanup } from "../../test/harness/cleanup.ts";
import { kubeClient } from "../../test/harness/kube-client.ts";
import { RECORD_INDEXERS, subjectOf, type KeptRecord, type RecordIndex } from "../cluster-view.ts";
import type { KubeApi } from "../kube/kube-api.ts";
import { Store } from "../kube/store.ts";
import type { SalvageRecord } from "../objects/salvage-record.ts";
import { parseCrd } from "../testing/crd.ts";
import { digestOf } from "../testing/nodes.ts";
import { CHANGES, ORIGIN, PLAN, record, statusAfter } from "../testing/records.ts";
import { newRecord } from "./new-record.ts";
import { RecordBook } from "./record-book.ts";

const { detected, planned, refused, recovered } = CHANGES;
const REFUSED = statusAfter(detected, refused);
const signal = new AbortController().signal;

/** Looking through all records is what nobody may do for one of them. */
class IndexedOnly extends Store<KeptRecord, RecordIndex> {
  override keys(): Iterable<string> {
    throw new Error("all keys were asked for");
  }
  override values(): Iterable<KeptRecord> {
    throw new Error("all records were asked for");
  }
}

describe("the book of records", () => {
  const cleanup = createCleanup();
  let server: ApiServer;
  let api: KubeApi;
  before(async () => {
    server = await createApiServer({ cleanup, crds: [parseCrd()] });
    server.put({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
    ({ api } = await kubeClient({ server, cleanup }));
  });
  after(() => cleanup.run());

  function book(...records: readonly SalvageRecord[]): {
    readonly book: RecordBook;
    readonly see: (...more: readonly SalvageRecord[]) => void;
  } {
    const store = new IndexedOnly(RECORD_INDEXERS);
    const see = (...more: readonly SalvageRecord[]): void => {
      for (const one of more) {
        const { namespace, name, resourceVersion } = one.metadata;
        store.set(`${namespace}/${name}`, { resourceVersion, record: one, problem: "" });
      }
    };
    see(...records);
    return { book: new RecordBook({ api, store, clock: systemClock }), see };
  }

  test("finds the records of one image on whatever node, and no others", () => {
    const elsewhere = { ...detected, origin: { ...ORIGIN, targetNode: "node-c" } };
    const other = { ...detected, origin: { ...ORIGIN, image: "registry.test:5000/app:v2" } };
    const { book: records } = book(
      record({ name: "here", status: statusAfter(detected) }),
      record({ name: "there", status: statusAfter(elsewhere) }),
      record({ name: "other", status: statusAfter(other) }),
      record({ name: "bank", namespace: "bank", status: statusAfter(detected) }),
      record({ name: "new" }),
    );
    const names = records.withImage("shop", ORIGIN.image).map(({ metadata }) => metadata.name);
    assert.deepEqual(names, ["here", "there"]);
  });

  test("counts records that are refused or may be, those that the watch has not told of included", async () => {
    const { book: records, see } = book(
      record({ name: "one", status: REFUSED }),
      record({ name: "open", status: statusAfter(detected) }),
      record({ name: "helped", status: statusAfter(detected, planned) }),
    );
    assert.equal(records.unhelped, 2);
    const key = { namespace: "shop", content: ORIGIN.image, targetNode: "node-b" };
    const order = { key, repository: "registry.test:5000/app", episode: 1, imageRef: ORIGIN.image };
    const making = records.create(newRecord({ ...order, podName: "web-1" }), signal);
    assert.equal(records.unhelped, 3, "one is on its way");
    const made = (await making).record;
    const name = `shop/${made.metadata.name}`;
    await records.change(name, detected, signal);
    assert.equal(records.unhelped, 3);
    const { record: now } = await records.change(name, refused, signal);
    assert.equal(records.unhelped, 3);
    assert.equal(records.withImage("shop", ORIGIN.image).length, 4);
    see(now);
    assert.equal(records.unhelped, 3);
  });

  /** A record that this book has just made, with an image of its own. */
  async function make(records: RecordBook, image: string, digest?: string): Promise<SalvageRecord> {
    const key = { namespace: "shop", content: digest ?? image, targetNode: "node-b" };
    const order = { key, repository: image, episode: 1, imageRef: image, podName: "web-1" };
    return (await records.create(newRecord(order), signal)).record;
  }

  test("knows what it has written before the watch tells, and believes what is newer", async () => {
    const { book: records, see } = book();
    const made = await make(records, "registry.test/ahead");
    const key = `shop/${made.metadata.name}`;
    assert.equal(records.get(key)?.metadata.uid, made.metadata.uid);
    const { record: pending } = await records.change(key, detected, signal);
    see(made);
    assert.equal(records.get(key)?.status.phase, "Pending", "an old word of the watch hides a write");
    assert.deepEqual(records.about(subjectOf(pending)), [pending]);
    const newer = { ...pending, metadata: { ...pending.metadata, resourceVersion: "999999999" } };
    see({ ...newer, status: REFUSED });
    assert.equal(records.get(key)?.status.phase, "Refused");
  });

  test("finds a record by the digest that it has come to, before the watch tells", async () => {
    const { book: records } = book();
    const made = await make(records, "registry.test/resolved");
    const digest = digestOf("d");
    const key = `shop/${made.metadata.name}`;
    await records.change(key, detected, signal);
    await records.change(key, { ...planned, plan: { ...PLAN, digest } }, signal);
    assert.deepEqual(
      records.withDigest(digest).map(({ metadata }) => metadata.name),
      [made.metadata.name],
    );
  });

  test("takes a record that exists as it is, and says that it was not its own", async () => {
    const first = book().book;
    const made = await make(first, "registry.test/twice");
    await first.change(`shop/${made.metadata.name}`, detected, signal);
    const other = book().book;
    const key = { namespace: "shop", content: "registry.test/twice", targetNode: "node-b" };
    const order = { key, repository: "registry.test/twice", episode: 1, imageRef: "x", podName: "web-9" };
    const { record: found, changed } = await other.create(newRecord(order), signal);
    assert.equal(changed, false);
    assert.equal(found.status.phase, "Pending");
    assert.equal(other.get(`shop/${made.metadata.name}`)?.metadata.uid, made.metadata.uid);
  });

  test("tries again on the newest state when somebody else has written", async () => {
    const ours = book().book;
    const made = await make(ours, "registry.test/conflict");
    const key = `shop/${made.metadata.name}`;
    await ours.change(key, detected, signal);
    const theirs = book().book;
    await theirs.change(key, { type: "cause", cause: "tls" }, signal);
    const { record: now } = await ours.change(key, refused, signal);
    assert.deepEqual([now.status.phase, now.status.cause], ["Refused", "tls"]);
    await assert.rejects(theirs.change(key, planned, signal), /phase Refused cannot be changed by "planned"/);
  });

  test("writes the changes of one record one after the other, and none for what is so already", async () => {
    const { book: records } = book();
    const made = await make(records, "registry.test/queue");
    const key = `shop/${made.metadata.name}`;
    const causes = ["tls", "timeout", "not_found"] as const;
    const results = await Promise.all([
      records.change(key, detected, signal),
      ...causes.map(async (cause) => await records.change(key, { type: "cause", cause }, signal)),
      records.change(key, { type: "cause", cause: "not_found" }, signal),
    ]);
    assert.deepEqual(
      results.map(({ changed }) => changed),
      [true, true, true, true, false],
    );
    assert.equal(records.get(key)?.status.cause, "not_found");
  });

  test("a change that fails does not hold up the next", async () => {
    const { book: records } = book();
    const made = await make(records, "registry.test/held");
    const key = `shop/${made.metadata.name}`;
    const first = records.change(key, recovered, signal);
    const second = records.change(key, detected, signal);
    await assert.rejects(first, /phase New/);
    assert.ok((await second).changed);
  });

  test("forgets a record that is gone, though the watch has never seen it", async () => {
    const { book: records } = book();
    const made = await make(records, "registry.test/ghost");
    const key = `shop/${made.metadata.name}`;
    server.delete("salvagerecords", key);
    await assert.rejects(records.change(key, detected, signal), /404/);
    assert.equal(records.get(key), undefined);
    assert.deepEqual(records.about(subjectOf(made)), []);
  });

  test("deletes a record as it knows it, and leaves one alone that has changed since", async () => {
    const { book: records } = book();
    const made = await make(records, "registry.test/deleted");
    const key = `shop/${made.metadata.name}`;
    const { record: now } = await records.change(key, detected, signal);
    await records.delete(made, signal);
    assert.ok(server.get("salvagerecords", key));
    await records.delete(now, signal);
    assert.equal(server.get("salvagerecords", key), undefined);
    await records.delete(now, signal);
  });
});
