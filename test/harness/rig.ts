import { randomUUID } from "node:crypto";
import { join } from "node:path";

import { createClient, type Client } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";

import { signImportGrants, type ImportOrder } from "../../lib/grant-order.ts";
import { ROLES, type Role } from "../../lib/roles.ts";
import { clientTlsOptions, type TlsMaterial } from "../../lib/tls.ts";
import {
  AgentService,
  type ImportProgress,
  type ImportResult,
} from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { startAgent, type AgentOptions, type AgentProcess } from "./agent-process.ts";
import { createCleanup, type Cleanup, type TestLike } from "./cleanup.ts";
import { startContainerd, type ContainerdNode, type ContainerdOptions } from "./containerd-node.ts";
import { ctr, type Ctr } from "./ctr.ts";
import type { Built } from "./image-builder.ts";
import { createNetwork, type Network, type NetworkNode } from "./netns.ts";
import { createPki, type Pki } from "./pki.ts";

/** Settings of one node of a rig. */
export interface RigNodeSpec {
  readonly containerd?: Omit<ContainerdOptions, "name" | "cleanup">;
  /** give containerd a network namespace of its own too, from where it reaches registries; default: the host's */
  readonly containerdOnNetwork?: boolean;
  readonly agent?: Pick<AgentOptions, "args" | "env" | "wrapper">;
}

/** A node: a containerd, and an agent in a network namespace of its own. */
export interface RigNode {
  readonly name: string;
  readonly containerd: ContainerdNode;
  readonly agent: AgentProcess;
  /** the agent's end of the network */
  readonly network: NetworkNode;
  /** containerd's end of the network, if it has one */
  readonly containerdNetwork: NetworkNode | undefined;
  readonly ctr: Ctr;
  /** calls its agent as the controller */
  readonly controller: Client<typeof AgentService>;
}

/** An agent that is not part of the rig. */
export interface RigSource {
  readonly node: string;
  readonly endpoint: string;
}

/** An import as a test orders it. */
export interface RigImport {
  readonly image: Built;
  readonly names: readonly string[];
  readonly target: string;
  /** nodes of the rig, or agents outside it; default: every other node */
  readonly sources?: readonly (string | RigSource)[];
  /** default: the image's */
  readonly digest?: string;
  readonly maxBytes?: number;
  /** changes to what the controller signs, not to what is asked for */
  readonly grant?: Partial<ImportOrder>;
  readonly signal?: AbortSignal;
  /** called with each progress message */
  readonly onProgress?: (progress: ImportProgress) => void;
}

/** Nodes with agents that trust each other, and a controller's view of them. */
export interface Rig {
  readonly cleanup: Cleanup;
  readonly network: Network;
  readonly pki: Pki;
  readonly nodes: Readonly<Record<string, RigNode>>;
  node(name: string): RigNode;
  /** a client with any role, or any certificate */
  client(node: string, who: Role | TlsMaterial): Promise<Client<typeof AgentService>>;
  /** the sources and the grant that an import call needs */
  order(order: RigImport): Promise<{
    readonly names: string[];
    readonly digest: string;
    readonly sources: RigSource[];
    readonly grant: string;
    readonly maxBytes: bigint;
  }>;
  /** Imports an image; rejects with the agent's ConnectError. */
  import(order: RigImport): Promise<ImportResult>;
}

/** Starts nodes by name. Everything ends with the test. */
export async function startRig(test: TestLike, specs: Readonly<Record<string, RigNodeSpec>>): Promise<Rig> {
  return await startNodes(createCleanup(test), specs);
}

/** Starts nodes that several tests use one after the other; `cleanup.run()` ends them. */
export async function startSharedRig(
  specs: Readonly<Record<string, RigNodeSpec>>,
  cleanup: Cleanup = createCleanup(),
): Promise<Rig> {
  try {
    return await startNodes(cleanup, specs);
  } catch (error) {
    await cleanup.run();
    throw error;
  }
}

async function startNodes(cleanup: Cleanup, specs: Readonly<Record<string, RigNodeSpec>>): Promise<Rig> {
  const network = await createNetwork({ cleanup });
  const pki = await createPki();
  const certDir = await pki.write(join(cleanup.directory(), "certs"), await pki.role(ROLES.agent));
  const nodes: Record<string, RigNode> = {};

  async function client(node: string, who: Role | TlsMaterial): Promise<Client<typeof AgentService>> {
    const material = typeof who === "string" ? await pki.role(who) : who;
    return clientOf(rig.node(node).agent, material);
  }
  const rig: Rig = {
    cleanup,
    network,
    pki,
    nodes,
    node(name) {
      const node = nodes[name];
      if (node === undefined) throw new Error(`the rig has no node ${name}`);
      return node;
    },
    client,
    async order(order) {
      const names = order.sources ?? Object.keys(nodes).filter((name) => name !== order.target);
      const sources = names.map((source) =>
        typeof source === "string" ? { node: source, endpoint: rig.node(source).agent.url } : { ...source },
      );
      const digest = order.digest ?? order.image.descriptor.digest;
      const maxBytes = order.maxBytes ?? 0;
      const { importGrant } = await signImportGrants(
        {
          digest,
          blobs: [...order.image.blobs.keys()],
          names: order.names,
          targetNode: order.target,
          sources,
          maxBytes,
          record: "test/record",
          epoch: 1,
          now: Date.now(),
          lifetimeMs: 60_000,
          id: randomUUID(),
          ...order.grant,
        },
        await pki.role(ROLES.controller),
      );
      return { names: [...order.names], digest, sources, grant: importGrant, maxBytes: BigInt(maxBytes) };
    },
    async import(order) {
      const request = await rig.order(order);
      const { controller } = rig.node(order.target);
      const options = { ...(order.signal && { signal: order.signal }) };
      for await (const { event } of controller.importImage(request, options)) {
        if (event.case === "result") return event.value;
        if (event.case === "progress") order.onProgress?.(event.value);
      }
      throw new Error("the stream ended without a result");
    },
  };
  await Promise.all(
    Object.entries(specs).map(async ([name, spec]) => {
      const containerdNetwork =
        spec.containerdOnNetwork === true ? await network.addNode(`${name}-containerd`) : undefined;
      const containerd = await startContainerd({
        name,
        cleanup,
        ...(containerdNetwork !== undefined && { network: containerdNetwork }),
        ...spec.containerd,
      });
      const link = await network.addNode(name);
      const agent = await startAgent({ cleanup, containerd, network: link, tls: { certDir }, ...spec.agent });
      const controller = clientOf(agent, await pki.role(ROLES.controller));
      const tool = ctr(containerd);
      nodes[name] = { name, containerd, agent, network: link, containerdNetwork, ctr: tool, controller };
    }),
  );
  return rig;
}

function clientOf(agent: AgentProcess, material: TlsMaterial): Client<typeof AgentService> {
  return createClient(
    AgentService,
    createConnectTransport({
      baseUrl: agent.url,
      httpVersion: "1.1",
      nodeOptions: clientTlsOptions(material, ROLES.agent),
    }),
  );
}
