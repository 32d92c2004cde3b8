import { open, rm, stat } from "node:fs/promises";
import { join } from "node:path";

import { NODE_OPTION } from "../../build/image/image-config.ts";
import { describeError } from "../../lib/errors.ts";
import { createCleanup, type Cleanup } from "../harness/cleanup.ts";
import { loadImage } from "../harness/load-image.ts";
import { stateOf, untilUnchanged, type NodeState } from "../harness/node-state.ts";
import { attachRegistry } from "../harness/registry.ts";
import { startSharedRig, type Rig, type RigNode, type RigNodeSpec } from "../harness/rig.ts";
import { run } from "../harness/run.ts";
import type { BenchCase, CaseImages } from "./cases.ts";
import { createCgroup, type CgroupLimits } from "./cgroup.ts";
import { startDockerRegistry, type DockerRegistry } from "./docker-registry.ts";

/** The registry's name in references. */
const HOST = "registry.test:5000";

/** What surrounds the agents. */
export interface BenchSetting {
  readonly name: string;
  /** for the table */
  readonly title: string;
  /** of each agent */
  readonly limits?: CgroupLimits;
  /** milliseconds by which each node's packets are late */
  readonly delayMs?: number;
}

/** All settings. */
export const SETTINGS: readonly BenchSetting[] = [
  { name: "plain", title: "no limits" },
  {
    name: "limited",
    title: "each agent in a cgroup of 1 CPU and 512 MiB",
    limits: { cpus: 1, memoryBytes: 512 * 1024 * 1024 },
  },
  { name: "delayed", title: "2 ms of delay in each direction between the nodes", delayMs: 2 },
];

/** A setting that this machine cannot have. */
export class UnavailableSettingError extends Error {
  override readonly name = "UnavailableSettingError";
}

/** Two nodes and a registry on one network, each in a network namespace of its own. */
export interface BenchNodes {
  readonly rig: Rig;
  readonly a: RigNode;
  readonly b: RigNode;
  readonly registry: DockerRegistry;
}

/** An image that is ready to be moved from node a or the registry to node b. */
export interface ReadyCase {
  readonly images: CaseImages;
  /** its name on both nodes and in the registry */
  readonly reference: string;
  /** the archive that ctr makes of it */
  readonly archiveBytes: number;
  /** Takes everything off node b that was not there beforehand; then both ends are in the page cache and nothing waits for the disk. */
  clean(): Promise<void>;
  /** Takes the images off both nodes. */
  remove(): Promise<void>;
}

/**
 * Starts nodes and registry.
 * @param options.registryDir what the registry holds; outlives the nodes
 * @param options.profileDir where agents leave a CPU profile when they end
 * @throws UnavailableSettingError
 */
export async function startBenchNodes(
  setting: BenchSetting,
  options: { readonly registryDir: string; readonly profileDir: string | undefined },
): Promise<BenchNodes> {
  const cleanup = createCleanup();
  try {
    const spec = (name: string): RigNodeSpec => ({
      containerdOnNetwork: true,
      agent: { env: nodeOptions(options.profileDir), ...limited(name, setting.limits, cleanup) },
    });
    const rig = await startSharedRig({ a: spec("a"), b: spec("b") }, cleanup);
    const network = await rig.network.addNode("registry");
    const registry = await startDockerRegistry({ cleanup, network, dir: options.registryDir });
    await attachRegistry(rig.node("b").containerd, HOST, registry.url);
    if (setting.delayMs !== undefined && !(await rig.network.delay(setting.delayMs))) {
      throw new UnavailableSettingError("this kernel has no netem (CONFIG_NET_SCH_NETEM)");
    }
    return { rig, a: rig.node("a"), b: rig.node("b"), registry };
  } catch (error) {
    await cleanup.run();
    throw error;
  }
}

/** Agents run with the options that they have in the container image. */
function nodeOptions(profileDir: string | undefined): Readonly<Record<string, string>> {
  const profile = profileDir === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profileDir}`];
  return { NODE_OPTIONS: [NODE_OPTION, ...profile].join(" ") };
}

function limited(name: string, limits: CgroupLimits | undefined, cleanup: Cleanup): RigNodeSpec["agent"] {
  if (limits === undefined) return {};
  try {
    return { wrapper: createCgroup(name, limits, cleanup) };
  } catch (error) {
    throw new UnavailableSettingError(`cannot make a cgroup: ${describeError(error)}`, { cause: error });
  }
}

/** Puts a case's image on node a and into the registry, and the image that shares its layers on node b. */
export async function prepareCase(
  nodes: BenchNodes,
  bench: BenchCase,
  images: CaseImages,
): Promise<ReadyCase> {
  const { rig, a, b, registry } = nodes;
  const name = `bench/${bench.name}:v1`;
  const reference = `${HOST}/${name}`;
  await registry.push(name, images.image);
  await loadImage(a.containerd, images.image, { names: [reference] });
  if (images.base !== undefined)
    await loadImage(b.containerd, images.base, { names: [`${HOST}/bench/base:v1`] });
  const before = await stateOf(b);
  const blobs = [...images.image.blobs.keys()].map((digest) => digest.slice("sha256:".length));
  const files = blobs.flatMap((hex) => [
    join(a.containerd.contentDir, "blobs/sha256", hex),
    join(registry.dir, "docker/registry/v2/blobs/sha256", hex.slice(0, 2), hex, "data"),
  ]);
  const archive = join(rig.cleanup.directory(), "size.tar");
  await a.ctr.exportImage(archive, [reference]);
  const { size: archiveBytes } = await stat(archive);
  await rm(archive);
  return {
    images,
    reference,
    archiveBytes,
    async clean() {
      await removeImagesBut(b, before);
      await untilUnchanged(b, before);
      await run("sync", []);
      for (const file of files) await readThrough(file);
    },
    async remove() {
      await removeImagesBut(a, undefined);
      await removeImagesBut(b, undefined);
    },
  };
}

/** Removes all images that a node has not had in an earlier state, or all. */
async function removeImagesBut({ ctr }: RigNode, state: NodeState | undefined): Promise<void> {
  const images = await ctr.images();
  const added = images.filter(({ name, digest }) => state?.images.includes(`${name} ${digest}`) !== true);
  if (added.length > 0) await ctr.removeImages(...added.map(({ name }) => name));
}

/** Brings a file into the page cache. */
async function readThrough(path: string): Promise<void> {
  const file = await open(path);
  try {
    const buffer = Buffer.alloc(1024 * 1024);
    while ((await file.read(buffer, 0, buffer.length)).bytesRead > 0);
  } finally {
    await file.close();
  }
}
