/** What this containerd is: version, identity, plugins. */
import { createClient } from "@connectrpc/connect";

import {
  Introspection,
  type Plugin,
} from "../../proto/gen/containerd/services/introspection/v1/introspection_pb.ts";
import { Version } from "../../proto/gen/containerd/services/version/v1/version_pb.ts";
import type { Connection } from "./connection.ts";
import type { Containerd, PluginInfo } from "./types.ts";

/** Makes the calls that ask a containerd about itself. */
export function createIntrospection(
  connection: Connection,
): Required<Pick<Containerd, "version" | "plugins" | "server">> {
  const versions = createClient(Version, connection.transport);
  const client = createClient(Introspection, connection.transport);

  return {
    async version(options = {}) {
      const { version, revision } = await connection.run(options, (call) => versions.version({}, call));
      return { version, revision };
    },

    async plugins(filters = [], options = {}) {
      const answer = await connection.run(options, (call) => client.plugins({ filters: [...filters] }, call));
      return answer.plugins.map(toPluginInfo);
    },

    async server(options = {}) {
      const { uuid } = await connection.run(options, (call) => client.server({}, call));
      return { uuid };
    },
  };
}

function toPluginInfo({ type, id, platforms, exports, capabilities, initErr }: Plugin): PluginInfo {
  return {
    type,
    id,
    platforms: platforms.map(({ os, architecture, variant }) => ({ os, architecture, variant })),
    exports,
    capabilities,
    initError: initErr?.message,
  };
}
