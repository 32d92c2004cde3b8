import type { Clock } from "../../lib/clock.ts";
import { digestOf, imageKey, imageKeyOf, isUnhelped, subjectOf, type RecordStore } from "../cluster-view.ts";
import { isAlreadyExists, isConflict, isNotFound } from "../kube/api-error.ts";
import type { KubeApi } from "../kube/kube-api.ts";
import type { KubeObject } from "../kube/objects.ts";
import { keyOf, parseKey, SALVAGE_RECORDS } from "../kube/resources.ts";
import { readSalvageRecord } from "../objects/read-salvage-record.ts";
import type { SalvageRecord, SalvageRecordStatus } from "../objects/salvage-record.ts";
import { applyChange, RecordStateError } from "./apply-change.ts";
import type { NewRecord } from "./new-record.ts";
import type { RecordChange } from "./record-change.ts";

/** Times that a write is tried anew because somebody else has written. */
const CONFLICTS_MAX = 5;

/** What a change came to: the record as it is now, and whether this call changed it. */
export interface ChangeResult {
  readonly record: SalvageRecord;
  readonly changed: boolean;
}

/**
 * Reads and writes records. What was written is known at once, not only when the watch tells of it. Every write carries
 * the resourceVersion it is based on, so that neither a former leader nor a hand edit is overwritten unseen.
 */
export class RecordBook {
  readonly #api: KubeApi;
  readonly #store: RecordStore;
  readonly #clock: Clock;
  /** written here and not seen by the watch yet */
  readonly #ahead = new Map<string, SalvageRecord>();
  /** the last write of each record that is under way: writes of one record follow each other */
  readonly #writing = new Map<string, Promise<unknown>>();

  /** records that are being made */
  #creating = 0;

  /** @param options.api writes of a leader only */
  constructor(options: { readonly api: KubeApi; readonly store: RecordStore; readonly clock: Clock }) {
    this.#api = options.api;
    this.#store = options.store;
    this.#clock = options.clock;
  }

  /** A record by "namespace/name". */
  get(key: string): SalvageRecord | undefined {
    const seen = this.#store.get(key)?.record;
    const written = this.#ahead.get(key);
    if (written === undefined) return seen;
    if (seen !== undefined && !isOlder(seen, written)) {
      this.#ahead.delete(key);
      return seen;
    }
    return written;
  }

  /** Why a record that the API server has cannot be read; "" when it can be, or is not there. */
  problemOf(key: string): string {
    return this.#store.get(key)?.problem ?? "";
  }

  /** Records about one subject, see `subjectKey`. */
  about(subject: string): readonly SalvageRecord[] {
    const keys = new Set(this.#store.findKeys("subject", subject));
    for (const [key, record] of this.#ahead) if (subjectOf(record) === subject) keys.add(key);
    return [...keys].flatMap((key) => this.get(key) ?? []);
  }

  /** Records that have come to this digest. */
  withDigest(digest: string): readonly SalvageRecord[] {
    const keys = new Set(this.#store.findKeys("digest", digest));
    for (const [key, record] of this.#ahead) if (digestOf(record) === digest) keys.add(key);
    return [...keys].flatMap((key) => this.get(key) ?? []);
  }

  /** Records of a namespace about one image, however it is spelt, on whatever node. */
  withImage(namespace: string, image: string): readonly SalvageRecord[] {
    const wanted = imageKey(namespace, image);
    const keys = new Set(this.#store.findKeys("image", wanted));
    for (const [key, record] of this.#ahead) if (imageKeyOf(record) === wanted) keys.add(key);
    return [...keys].flatMap((key) => this.get(key) ?? []);
  }

  /** How many records are refused, or may still be: those that wait for a plan. */
  get unhelped(): number {
    let unhelped = this.#store.count("help", "none") + this.#creating;
    for (const [key, record] of this.#ahead) {
      const seen = this.#store.get(key)?.record;
      unhelped += Number(isUnhelped(record)) - Number(seen !== undefined && isUnhelped(seen));
    }
    return unhelped;
  }

  /** Every record. */
  *all(): Iterable<SalvageRecord> {
    const keys = new Set([...this.#store.keys(), ...this.#ahead.keys()]);
    for (const key of keys) {
      const record = this.get(key);
      if (record !== undefined) yield record;
    }
  }

  /** It has been deleted: the watch has told so, or a write. */
  forget(key: string): void {
    this.#ahead.delete(key);
  }

  /**
   * Creates a record; one that exists already is returned as it is.
   * @throws ApiError
   */
  async create(record: NewRecord, signal: AbortSignal): Promise<ChangeResult> {
    const key = keyOf(record.metadata);
    this.#creating += 1;
    try {
      const made = this.#keep(await this.#api.create<KubeObject>(SALVAGE_RECORDS, record, { signal }));
      return { record: made, changed: true };
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      return { record: await this.#read(key, signal), changed: false };
    } finally {
      this.#creating -= 1;
    }
  }

  /**
   * Changes the status of a record, on the newest state of it.
   * @throws RecordStateError when that state does not allow the change; ApiError
   */
  async change(key: string, change: RecordChange, signal: AbortSignal, at?: number): Promise<ChangeResult> {
    const before = this.#writing.get(key) ?? Promise.resolve();
    const write = before.then(() => this.#write(key, change, signal, at));
    const settled = write.catch(() => undefined);
    this.#writing.set(key, settled);
    try {
      return await write;
    } finally {
      if (this.#writing.get(key) === settled) this.#writing.delete(key);
    }
  }

  /**
   * Writes the whole status of a record that has none.
   * @throws ApiError
   */
  async setStatus(
    record: SalvageRecord,
    status: SalvageRecordStatus,
    signal: AbortSignal,
  ): Promise<SalvageRecord> {
    return this.#keep(await this.#replace(record, status, signal));
  }

  /** Deletes a record as it is known. One that has changed or gone meanwhile is left alone. */
  async delete(record: SalvageRecord, signal: AbortSignal): Promise<void> {
    const { metadata } = record;
    const { uid, resourceVersion } = metadata;
    try {
      await this.#api.delete(SALVAGE_RECORDS, metadata, { signal, uid, resourceVersion });
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }

  async #write(
    key: string,
    change: RecordChange,
    signal: AbortSignal,
    at = this.#clock.now(),
  ): Promise<ChangeResult> {
    let record = this.get(key) ?? (await this.#read(key, signal));
    for (let conflicts = 0; ; conflicts += 1) {
      const status = applyChange(record.status, change, at);
      if (JSON.stringify(status) === JSON.stringify(record.status)) return { record, changed: false };
      try {
        return { record: this.#keep(await this.#replace(record, status, signal)), changed: true };
      } catch (error) {
        if (isNotFound(error)) this.forget(key);
        if (!isConflict(error) || conflicts >= CONFLICTS_MAX) throw error;
        record = await this.#read(key, signal);
      }
    }
  }

  async #replace(
    record: SalvageRecord,
    status: SalvageRecordStatus,
    signal: AbortSignal,
  ): Promise<KubeObject> {
    const { name, namespace, uid, resourceVersion } = record.metadata;
    const body = { metadata: { name, namespace, uid, resourceVersion }, spec: record.spec, status };
    return await this.#api.replace<KubeObject>(SALVAGE_RECORDS, body, { signal, subresource: "status" });
  }

  async #read(key: string, signal: AbortSignal): Promise<SalvageRecord> {
    try {
      return this.#keep(await this.#api.get<KubeObject>(SALVAGE_RECORDS, parseKey(key), { signal }));
    } catch (error) {
      // a watch that has never seen it will not tell of its end either
      if (isNotFound(error)) this.forget(key);
      throw error;
    }
  }

  #keep(object: KubeObject): SalvageRecord {
    const reading = readSalvageRecord(object);
    if (reading.kind === "invalid") {
      throw new RecordStateError(
        `record ${reading.namespace}/${reading.name} cannot be read: ${reading.message}`,
      );
    }
    const { record } = reading;
    const key = keyOf(record.metadata);
    const seen = this.#store.get(key)?.record;
    if (seen === undefined || isOlder(seen, record)) this.#ahead.set(key, record);
    return record;
  }
}

/** Whether `a` was written before `b`. Resource versions are numbers that grow (KEP-5504); others count as different. */
function isOlder(a: SalvageRecord, b: SalvageRecord): boolean {
  const [left, right] = [a.metadata.resourceVersion, b.metadata.resourceVersion];
  if (left === right) return false;
  if (!/^\d+$/.test(left) || !/^\d+$/.test(right)) return true;
  return left.length === right.length ? left < right : left.length < right.length;
}
