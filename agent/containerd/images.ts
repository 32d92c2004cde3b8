/** Image records: names that point at an index or a manifest. */
import { createClient } from "@connectrpc/connect";

import {
  Images as ImagesService,
  type Image,
} from "../../proto/gen/containerd/services/images/v1/images_pb.ts";
import type { Connection } from "./connection.ts";
import { fromDescriptor, required, toDate, toDescriptor } from "./convert.ts";
import { undefinedIfExists, undefinedIfNotFound } from "./errors.ts";
import { SYNC_TIMEOUT_MS } from "./limits.ts";
import type { ImageRecord, Images } from "./types.ts";

/** Makes the image records of a containerd. */
export function createImages(connection: Connection): Images {
  const client = createClient(ImagesService, connection.transport);

  return {
    async get(name, options = {}) {
      const answer = await undefinedIfNotFound(connection.run(options, (call) => client.get({ name }, call)));
      return answer && toImageRecord(required(answer.image, `the image ${name}`));
    },

    async list(filters = [], options = {}) {
      const request = { filters: [...filters] };
      const { images } = await connection.run(options, (call) => client.list(request, call));
      return images.map(toImageRecord);
    },

    async create(record, options = {}) {
      const request = { image: fromImageRecord(record) };
      const answer = connection.run(options, (call) => client.create(request, call));
      return (await undefinedIfExists(answer)) === undefined ? "exists" : "created";
    },

    async update(record, maskPaths, options = {}) {
      const request = { image: fromImageRecord(record), updateMask: { paths: [...maskPaths] } };
      const { image } = await connection.run(options, (call) => client.update(request, call));
      return toImageRecord(required(image, `the image ${record.name}`));
    },

    async delete(name, options = {}) {
      const { sync = false, target } = options;
      const request = { name, sync, ...(target !== undefined && { target: fromDescriptor(target) }) };
      const timeoutMs = sync ? SYNC_TIMEOUT_MS : undefined;
      const answer = connection.run(options, (call) => client.delete(request, call), timeoutMs);
      return { deleted: (await undefinedIfNotFound(answer)) !== undefined };
    },
  };
}

function toImageRecord({ name, target, labels, createdAt, updatedAt }: Image): ImageRecord {
  return {
    name,
    target: toDescriptor(required(target, `the target of the image ${name}`)),
    labels,
    createdAt: toDate(createdAt),
    updatedAt: toDate(updatedAt),
  };
}

function fromImageRecord({ name, target, labels }: ImageRecord): {
  readonly name: string;
  readonly target: ReturnType<typeof fromDescriptor>;
  readonly labels: Record<string, string>;
} {
  return { name, target: fromDescriptor(target), labels: { ...labels } };
}
