/** Leases: what keeps content, ingests and snapshots from containerd's garbage collection. */
import { createClient } from "@connectrpc/connect";

import {
  Leases as LeasesService,
  type Lease,
} from "../../proto/gen/containerd/services/leases/v1/leases_pb.ts";
import type { Connection } from "./connection.ts";
import { toDate } from "./convert.ts";
import { undefinedIfExists, undefinedIfNotFound } from "./errors.ts";
import { SYNC_TIMEOUT_MS } from "./limits.ts";
import type { LeaseInfo, Leases } from "./types.ts";

/** Makes the leases of a containerd. */
export function createLeases(connection: Connection): Leases {
  const client = createClient(LeasesService, connection.transport);

  return {
    async create({ id, labels = {} }, options = {}) {
      const request = { id, labels: { ...labels } };
      const answer = connection.run(options, (call) => client.create(request, call));
      return { created: (await undefinedIfExists(answer)) !== undefined };
    },

    async delete(id, options = {}) {
      const { sync = false } = options;
      const timeoutMs = sync ? SYNC_TIMEOUT_MS : undefined;
      await undefinedIfNotFound(
        connection.run(options, (call) => client.delete({ id, sync }, call), timeoutMs),
      );
    },

    async addResource(id, resource, options = {}) {
      await connection.run(options, (call) => client.addResource({ id, resource }, call));
    },

    async list(options = {}) {
      const filters = [...(options.filters ?? [])];
      const answer = await connection.run(options, (call) => client.list({ filters }, call));
      return answer.leases.map(toLeaseInfo);
    },

    async resources(id, options = {}) {
      const answer = await connection.run(options, (call) => client.listResources({ id }, call));
      return answer.resources.map((resource) => ({ id: resource.id, type: resource.type }));
    },
  };
}

function toLeaseInfo({ id, labels, createdAt }: Lease): LeaseInfo {
  return { id, labels, createdAt: toDate(createdAt) };
}
