import assert from "node:assert/strict";

import { imageStatus, pullImage } from "../harness/cri.ts";
import { localFlags } from "../harness/ctr.ts";
import { run } from "../harness/run.ts";
import { waitFor } from "../harness/wait.ts";
import type { BenchNodes, ReadyCase } from "./nodes.ts";
import { readCpu, readPeakMemory, readReceived, resetPeakMemory } from "./proc.ts";

/** The ways to bring an image to node b, in the order of the table's columns a, b, c. */
export const METHODS = ["tote", "pull", "ctr"] as const;
/** A way to bring an image to node b. */
export type Method = (typeof METHODS)[number];

/** CPU seconds of everything that takes part; commands are the processes that the bench started for the run. */
export interface CpuUse {
  readonly agentA: number;
  readonly agentB: number;
  readonly containerdA: number;
  readonly containerdB: number;
  readonly registry: number;
  readonly commands: number;
}

/** What one run took. */
export interface Sample {
  readonly method: Method;
  /** from the order until CRI ImageStatus has the image */
  readonly seconds: number;
  /** bytes that came to node b over the network, headers of packets included; for ctr those in the pipe */
  readonly movedBytes: number;
  readonly cpu: CpuUse;
  /** peak resident memory of each agent, in bytes; only of tote */
  readonly peakMemory?: { readonly a: number; readonly b: number };
}

const MOVES: Readonly<Record<Method, (nodes: BenchNodes, ready: ReadyCase) => Promise<void>>> = {
  async tote({ rig }, { images, reference }) {
    const result = await rig.import({ image: images.image, names: [reference], target: "b" });
    assert.ok(result.visible, result.message);
  },
  async pull({ b }, { reference }) {
    await pullImage(b.containerd, reference, { timeoutMs: 600_000 });
  },
  async ctr({ a, b }, { reference }) {
    const tool = ({ containerd }: typeof a): string =>
      `${containerd.ctr} --address ${containerd.socket} --namespace k8s.io images`;
    const flags = (node: typeof a): string => localFlags(node.containerd).join(" ");
    const unpack = `${flags(b)} --snapshotter ${b.containerd.snapshotter}`;
    const line = `${tool(a)} export ${flags(a)} - ${reference} | ${tool(b)} import ${unpack} -`;
    await run("bash", ["-o", "pipefail", "-c", line], { timeoutMs: 600_000 });
  },
};

/** Moves the image once; node b must be clean. Throws when CRI does not know it in the end. */
export async function measure(method: Method, nodes: BenchNodes, ready: ReadyCase): Promise<Sample> {
  const { a, b } = nodes;
  const receiver = method === "tote" ? b.agent.pid : b.containerd.pid;
  await resetPeakMemory(a.agent.pid);
  await resetPeakMemory(b.agent.pid);
  const received = await readReceived(receiver);
  const cpu = await readAllCpu(nodes);
  const started = performance.now();
  await MOVES[method](nodes, ready);
  const reference = ready.reference;
  await waitFor(`CRI to know ${reference}`, () => imageStatus(b.containerd, reference), { intervalMs: 5 });
  const sample = {
    method,
    seconds: (performance.now() - started) / 1000,
    cpu: subtract(await readAllCpu(nodes), cpu),
    movedBytes: method === "ctr" ? ready.archiveBytes : (await readReceived(receiver)) - received,
  };
  if (method !== "tote") return sample;
  const [peakA, peakB] = [await readPeakMemory(a.agent.pid), await readPeakMemory(b.agent.pid)];
  return { ...sample, peakMemory: { a: peakA, b: peakB } };
}

async function readAllCpu({ a, b, registry }: BenchNodes): Promise<CpuUse> {
  return {
    agentA: (await readCpu(a.agent.pid)).self,
    agentB: (await readCpu(b.agent.pid)).self,
    containerdA: (await readCpu(a.containerd.pid)).self,
    containerdB: (await readCpu(b.containerd.pid)).self,
    registry: (await readCpu(registry.pid)).self,
    commands: (await readCpu("self")).children,
  };
}

function subtract(after: CpuUse, before: CpuUse): CpuUse {
  return {
    agentA: after.agentA - before.agentA,
    agentB: after.agentB - before.agentB,
    containerdA: after.containerdA - before.containerdA,
    containerdB: after.containerdB - before.containerdB,
    registry: after.registry - before.registry,
    commands: after.commands - before.commands,
  };
}
