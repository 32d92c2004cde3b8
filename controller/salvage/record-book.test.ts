import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { systemClock } from "../../lib/clock.ts";
import { createApiServer } from "../../test/harness/apiserver/server.ts";
import { createCleanup } from "../../test/harness/cleanup.ts";
import { kubeClient } from "../../test/harness/kube-client.ts";
import { RECORD_INDEXERS, type KeptRecord, type RecordIndex } from "../cluster-view.ts";
import type { KubeApi } from "../kube/kube-api.ts";
import { Store } from "../kube/store.ts";
import type { SalvageRecord } from "../objects/salvage-record.ts";
import { parseCrd } from "../testing/crd.ts";
import { CHANGES, ORIGIN, record, statusAfter } from "../testing/records.ts";
import { newRecord } from "./new-record.ts";
import { RecordBook } from "./record-book.ts";

const { detected, refused } = CHANGES;
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
  let api: KubeApi;
  before(async () => {
    const server = await createApiServer({ cleanup, crds: [parseCrd()] });
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

  test("counts refused records, those of its own that the watch has not told of included", async () => {
    const { book: records, see } = book(
      record({ name: "one", status: REFUSED }),
      record({ name: "two", status: REFUSED }),
      record({ name: "open", status: statusAfter(detected) }),
    );
    assert.equal(records.refused, 2);
    const key = { namespace: "shop", content: ORIGIN.image, targetNode: "node-b" };
    const order = { key, repository: "registry.test:5000/app", episode: 1, imageRef: ORIGIN.image };
    const made = (await records.create(newRecord({ ...order, podName: "web-1" }), signal)).record;
    const name = `shop/${made.metadata.name}`;
    await records.change(name, detected, signal);
    assert.equal(records.refused, 2);
    const { record: now } = await records.change(name, refused, signal);
    assert.equal(records.refused, 3);
    assert.equal(records.withImage("shop", ORIGIN.image).length, 4);
    see(now);
    assert.equal(records.refused, 3);
  });
});
