import { Code, ConnectError, createContextValues } from "@connectrpc/connect";

import { startRpcServer } from "../../agent/rpc/server.ts";
import { silentLogger } from "../../lib/log.ts";
import { ROLES } from "../../lib/roles.ts";
import { AgentService } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import type { BlobSource } from "./blobs.ts";
import type { Rig, RigSource } from "./rig.ts";

/** One message of an ExportBlob answer. */
export type FakeMessage = { readonly size: number } | { readonly data: Uint8Array };

/** How a fake agent answers a request for a blob that it has. */
export type Answer = (blob: BlobSource, offset: number, signal: AbortSignal) => AsyncIterable<FakeMessage>;

/** An agent that is none of ours: it has the role of one and answers ExportBlob as the test says. */
export interface FakeSource extends RigSource {
  /** digest and offset of every request so far */
  readonly requests: readonly { readonly digest: string; readonly offset: number }[];
}

/** Starts a fake agent outside of all nodes, on the host's end of the rig's network. It looks at no grant. */
export async function startFakeSource(
  rig: Rig,
  node: string,
  blobs: ReadonlyMap<string, BlobSource>,
  answer: Answer,
): Promise<FakeSource> {
  const requests: { digest: string; offset: number }[] = [];
  const server = await startRpcServer({
    host: rig.network.hostIp,
    port: 0,
    tls: await rig.pki.role(ROLES.agent),
    insecure: false,
    routes: (router) =>
      router.rpc(AgentService.method.exportBlob, async function* ({ digest, offset }, { signal }) {
        requests.push({ digest, offset: Number(offset) });
        const blob = blobs.get(digest);
        if (blob === undefined) throw new ConnectError(`${digest} is not here`, Code.NotFound);
        for await (const message of answer(blob, Number(offset), signal)) {
          yield "size" in message ? { size: BigInt(message.size) } : { data: Uint8Array.from(message.data) };
        }
      }),
    fallback: (_request, response) => {
      response.statusCode = 404;
      response.end();
    },
    interceptors: [],
    contextValues: () => createContextValues(),
    logger: silentLogger,
    shutdownSignal: new AbortController().signal,
  });
  rig.cleanup.add({ name: `close the fake source ${node}`, undo: () => server.close({ graceMs: 0 }) });
  return { node, endpoint: `https://${server.address}:${server.port}`, requests };
}

/** Answers as an agent should. */
export async function* honest(blob: BlobSource, offset: number): AsyncGenerator<FakeMessage> {
  yield { size: blob.size };
  for await (const data of blob.read(offset)) if (data.length > 0) yield { data };
}

/** Answers in full, with the first byte of each piece changed. */
export async function* corrupting(blob: BlobSource, offset: number): AsyncGenerator<FakeMessage> {
  for await (const message of honest(blob, offset)) {
    yield "data" in message
      ? { data: message.data.map((byte, at) => (at === 0 ? byte ^ 1 : byte)) }
      : message;
  }
}
