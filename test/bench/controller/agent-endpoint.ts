import { once } from "node:events";
import { createServer as createHttpsServer } from "node:https";
import { createServer, type Socket } from "node:net";

import { Code, ConnectError, createContextKey, createContextValues } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";

import { RPC_LIMITS } from "../../../agent/rpc/limits.ts";
import { serverTlsOptions, type TlsMaterial } from "../../../lib/tls.ts";
import { AgentService } from "../../../proto/gen/tote/agent/v1/agent_pb.ts";
import type { Cleanup } from "../../harness/cleanup.ts";
import { madeDigest, nodeOfAddress } from "./cluster-spec.ts";

/** What the agents of a made-up cluster are asked about. */
export interface AgentWorld {
  /** the image that a name or digest means on a node; undefined when it has none */
  image(
    node: number,
    reference: string,
  ): { readonly digest: string; readonly names: readonly string[] } | undefined;
  /** an import has begun */
  imported(node: number, digest: string): void;
  /** its agent takes connections and never answers */
  isBlackHole(node: number): boolean;
}

/** What agents were asked. */
export interface AskedQuestions {
  /** ResolveImage calls that were answered */
  readonly questions: number;
  /** of these, how many had been asked of the same node before */
  readonly repeated: number;
  readonly imports: number;
  /** connections to agents that never answer */
  readonly silentConnections: number;
}

/** The agents of all nodes behind one port. */
export interface AgentEndpoint {
  readonly port: number;
  asked(): AskedQuestions;
}

const NODE = createContextKey(-1);
const LAYER_BYTES = 50_000_000;

/** Serves every node's agent over Connect with mTLS: the loopback address that was dialled tells which one. */
export async function startAgentEndpoint(options: {
  readonly cleanup: Cleanup;
  readonly tls: TlsMaterial;
  readonly world: AgentWorld;
}): Promise<AgentEndpoint> {
  const { cleanup, tls, world } = options;
  const seen = new Set<string>();
  const counts = { questions: 0, imports: 0, silentConnections: 0 };
  const handler = connectNodeAdapter({
    acceptCompression: [],
    contextValues: (request) =>
      createContextValues().set(NODE, nodeOfAddress(request.socket.localAddress ?? "")),
    routes: ({ service }) => {
      service(AgentService, {
        getNode: (_request, { values }) => ({ nodeName: String(values.get(NODE)), keepsLayers: true }),
        resolveImage({ reference }, { values }) {
          const node = values.get(NODE);
          counts.questions += 1;
          seen.add(`${node} ${reference}`);
          const image = world.image(node, reference);
          if (image === undefined) throw new ConnectError(`no image ${reference}`, Code.NotFound);
          return answer(image);
        },
        async *importImage({ digest, names }, { values }) {
          world.imported(values.get(NODE), digest);
          counts.imports += 1;
          const configDigest = madeDigest(`config ${digest}`);
          const result = {
            digest,
            configDigest,
            names,
            visible: true,
            bytesTransferred: BigInt(LAYER_BYTES),
          };
          yield { event: { case: "result", value: result } };
        },
      });
    },
  });
  const { keepAliveMs: keepAliveTimeout } = RPC_LIMITS;
  const https = createHttpsServer({ ...serverTlsOptions(tls), keepAliveTimeout }, handler);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket)).on("error", () => socket.destroy());
    if (world.isBlackHole(nodeOfAddress(socket.localAddress ?? ""))) {
      counts.silentConnections += 1;
      return;
    }
    https.emit("connection", socket);
  });
  server.listen(0, "0.0.0.0");
  await once(server, "listening");
  cleanup.add({
    name: "close the agents",
    undo: async () => {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the agents have no port");
  return {
    port: address.port,
    asked: () => ({ ...counts, repeated: counts.questions - seen.size }),
  };
}

function answer({ digest, names }: { readonly digest: string; readonly names: readonly string[] }) {
  const layer = {
    mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
    digest: madeDigest(`layer ${digest}`),
  };
  const blobs = [
    { descriptor: { mediaType: "application/vnd.oci.image.manifest.v1+json", digest, size: 1_000n } },
    { descriptor: { ...layer, size: BigInt(LAYER_BYTES) } },
  ];
  return {
    target: blobs[0]?.descriptor,
    names: [...names],
    configDigest: madeDigest(`config ${digest}`),
    blobs: blobs.map((blob) => ({ ...blob, present: true, unpacked: true })),
    complete: true,
    runnable: true,
  };
}
