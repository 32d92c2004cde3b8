/** The agent's containerd client. */
import { Connection, type ConnectionOptions } from "./connection.ts";
import { createContentStore } from "./content.ts";
import { createCri } from "./cri.ts";
import { createDiff } from "./diff.ts";
import { createImages } from "./images.ts";
import { createIntrospection } from "./introspection.ts";
import { createLeases } from "./leases.ts";
import { createReadiness } from "./readiness.ts";
import { createSnapshots } from "./snapshots.ts";
import type { Containerd } from "./types.ts";

/** What createContainerd needs. */
export type ContainerdOptions = ConnectionOptions;

/**
 * Makes the client of one containerd. Nothing is connected before the first call, and again after containerd has gone
 * away. Works with containerd 1.6, 1.7 and 2.x, whose calls are the same.
 */
export function createContainerd(options: ContainerdOptions): Containerd {
  const connection = new Connection(options);
  const { socket, namespace } = connection;
  const leases = createLeases(connection);
  const introspection = createIntrospection(connection);
  return {
    socket,
    namespace,
    leases,
    content: createContentStore(connection, leases),
    images: createImages(connection),
    snapshots: createSnapshots(connection),
    diff: createDiff(connection),
    cri: createCri(connection, introspection.plugins),
    ...introspection,
    ...createReadiness(socket, introspection.version),
    close: () => connection.close(),
  };
}
