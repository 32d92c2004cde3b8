/** Unpacking layers. */
import { createClient } from "@connectrpc/connect";

import { Diff as DiffService } from "../../proto/gen/containerd/services/diff/v1/diff_pb.ts";
import type { Connection } from "./connection.ts";
import { fromDescriptor, fromMount, required, toDescriptor } from "./convert.ts";
import { APPLY_TIMEOUT_MS } from "./limits.ts";
import type { Diff } from "./types.ts";

/** Makes the unpacking of a containerd. A layer may take half an hour, unless the caller says otherwise. */
export function createDiff(connection: Connection): Diff {
  const client = createClient(DiffService, connection.transport);
  return {
    async apply(options) {
      const request = { diff: fromDescriptor(options.diff), mounts: options.mounts.map(fromMount) };
      const { applied } = await connection.run(
        options,
        (call) => client.apply(request, call),
        APPLY_TIMEOUT_MS,
      );
      return toDescriptor(required(applied, `the descriptor of ${options.diff.digest} unpacked`));
    },
  };
}
