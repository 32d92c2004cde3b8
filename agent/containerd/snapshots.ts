/** Snapshots: unpacked layers. */
import { createClient } from "@connectrpc/connect";

import {
  Kind,
  Snapshots as SnapshotsService,
  type Info,
} from "../../proto/gen/containerd/services/snapshots/v1/snapshots_pb.ts";
import type { CallOptions } from "./call-options.ts";
import type { Connection } from "./connection.ts";
import { required, toDate, toMount } from "./convert.ts";
import { undefinedIfExists, undefinedIfNotFound } from "./errors.ts";
import type { SnapshotInfo, Snapshots } from "./types.ts";

/** Makes the snapshots of a containerd. */
export function createSnapshots(connection: Connection): Snapshots {
  const client = createClient(SnapshotsService, connection.transport);

  async function* list(
    snapshotter: string,
    filters: readonly string[] = [],
    options: CallOptions = {},
  ): AsyncIterable<SnapshotInfo> {
    const request = { snapshotter, filters: [...filters] };
    for await (const page of connection.iterate(options, (call) => client.list(request, call))) {
      yield* page.info.map(toSnapshotInfo);
    }
  }

  return {
    list,

    async stat(snapshotter, key, options = {}) {
      const request = { snapshotter, key };
      const answer = await undefinedIfNotFound(connection.run(options, (call) => client.stat(request, call)));
      return answer && toSnapshotInfo(required(answer.info, `info of snapshot ${key}`));
    },

    async prepare(options) {
      const { snapshotter, key, parent, labels = {} } = options;
      const request = { snapshotter, key, parent, labels: { ...labels } };
      const { mounts } = await connection.run(options, (call) => client.prepare(request, call));
      return mounts.map(toMount);
    },

    async commit(options) {
      const { snapshotter, name, key, labels = {} } = options;
      const request = { snapshotter, name, key, labels: { ...labels } };
      const answer = connection.run(options, (call) => client.commit(request, call));
      return (await undefinedIfExists(answer)) === undefined ? "exists" : "committed";
    },

    async remove(snapshotter, key, options = {}) {
      await undefinedIfNotFound(connection.run(options, (call) => client.remove({ snapshotter, key }, call)));
    },
  };
}

function toSnapshotInfo({ name, parent, kind, labels, createdAt, updatedAt }: Info): SnapshotInfo {
  return {
    name,
    parent,
    kind: toKind(kind),
    labels,
    createdAt: toDate(createdAt),
    updatedAt: toDate(updatedAt),
  };
}

function toKind(kind: Kind): SnapshotInfo["kind"] {
  switch (kind) {
    case Kind.VIEW:
      return "view";
    case Kind.ACTIVE:
      return "active";
    case Kind.COMMITTED:
      return "committed";
    default:
      return "unknown";
  }
}
