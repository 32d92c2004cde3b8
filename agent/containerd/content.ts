/** The content store: what it holds, and the doors to reading and writing it. */
import { createClient } from "@connectrpc/connect";

import {
  Content,
  type Info,
  type Status,
} from "../../proto/gen/containerd/services/content/v1/content_pb.ts";
import type { CallOptions, Labels, LeasedCallOptions } from "./call-options.ts";
import type { Connection } from "./connection.ts";
import { openWriter } from "./content-open.ts";
import { readBlob, readWholeBlob, type ReadOptions } from "./content-reader.ts";
import { required, toDate } from "./convert.ts";
import { undefinedIfNotFound } from "./errors.ts";
import type { BlobInfo, ContentStore, IngestStatus, Leases } from "./types.ts";

/** Makes the content store; leases are needed to label and lease a blob in one go. */
export function createContentStore(connection: Connection, leases: Leases): ContentStore {
  const client = createClient(Content, connection.transport);

  async function info(digest: string, options: CallOptions = {}): Promise<BlobInfo | undefined> {
    const answer = await undefinedIfNotFound(
      connection.run(options, (call) => client.info({ digest }, call)),
    );
    return answer && toBlobInfo(required(answer.info, `info of ${digest}`));
  }

  async function* list(filters: readonly string[] = [], options: CallOptions = {}): AsyncIterable<BlobInfo> {
    const pages = connection.iterate(options, (call) => client.list({ filters: [...filters] }, call));
    for await (const page of pages) yield* page.info.map(toBlobInfo);
  }

  async function setLabels(digest: string, labels: Labels, options: LeasedCallOptions = {}): Promise<void> {
    const { lease } = options;
    if (lease !== undefined) await leases.addResource(lease, { id: digest, type: "content" }, options);
    // one path for each: the path "labels" would take away all others
    const paths = Object.keys(labels).map((key) => `labels.${key}`);
    if (paths.length === 0) return;
    const request = { info: { digest, labels: { ...labels } }, updateMask: { paths } };
    await connection.run(options, (call) => client.update(request, call));
  }

  async function remove(digest: string, options: CallOptions = {}): Promise<void> {
    await undefinedIfNotFound(connection.run(options, (call) => client.delete({ digest }, call)));
  }

  async function listIngests(
    filters: readonly string[] = [],
    options: CallOptions = {},
  ): Promise<readonly IngestStatus[]> {
    const request = { filters: [...filters] };
    const { statuses } = await connection.run(options, (call) => client.listStatuses(request, call));
    return statuses.map(toIngestStatus);
  }

  async function ingest(ref: string, options: CallOptions = {}): Promise<IngestStatus | undefined> {
    const answer = await undefinedIfNotFound(connection.run(options, (call) => client.status({ ref }, call)));
    return answer && toIngestStatus(required(answer.status, `status of ingest ${ref}`));
  }

  async function abort(ref: string, options: CallOptions = {}): Promise<void> {
    await undefinedIfNotFound(connection.run(options, (call) => client.abort({ ref }, call)));
  }

  return {
    info,
    list,
    read: (digest, options: ReadOptions = {}) => readBlob(connection, digest, options),
    readAll: (digest, options) => readWholeBlob(connection, digest, options),
    setLabels,
    delete: remove,
    listIngests,
    ingest,
    abort,
    openWriter: (options) => openWriter(connection, options),
  };
}

function toBlobInfo({ digest, size, labels, createdAt, updatedAt }: Info): BlobInfo {
  return { digest, size: Number(size), labels, createdAt: toDate(createdAt), updatedAt: toDate(updatedAt) };
}

function toIngestStatus({ ref, offset, total, expected, startedAt, updatedAt }: Status): IngestStatus {
  return {
    ref,
    offset: Number(offset),
    total: Number(total),
    expected,
    startedAt: toDate(startedAt),
    updatedAt: toDate(updatedAt),
  };
}
