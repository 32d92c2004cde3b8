import assert from "node:assert/strict";

import type { SalvageRecord } from "../../controller/objects/salvage-record.ts";
import { waitFor } from "../harness/wait.ts";
import { podImage, type PodImage } from "./images.ts";
import type { Installed } from "./installed.ts";
import { barePod, container } from "./workloads.ts";

/** Images that one node has and the registry has not, in a namespace that is opted in. */
export interface Orphans {
  readonly namespace: string;
  readonly images: readonly PodImage[];
  /** Starts a pod of one of them on another node. */
  want(at: number, node: string): Promise<void>;
  /** Waits until pods of these images run there, and checks what they print and what the records say. */
  arrived(...which: readonly number[]): Promise<void>;
  /** how much of each image that is under way has come, in bytes */
  underWay(): Promise<readonly number[]>;
}

const patienceMs = 240_000;

/** Which images, and which nodes have them. */
export interface OrphanOptions {
  readonly count: number;
  /** of each */
  readonly bytes: number;
  /** nodes that take turns; each image is on one */
  readonly sources: readonly string[];
}

/** Has pods on nodes pull images, and takes the registry away. */
export async function orphanImages(
  installed: Installed,
  title: string,
  { count, bytes, sources }: OrphanOptions,
): Promise<Orphans> {
  const { registry } = installed.cluster;
  await registry.start();
  const namespace = await installed.namespace(title);
  const images: PodImage[] = [];
  for (let at = 0; at < count; at += 1) {
    images.push(await installed.push(await podImage(installed.title(`${title}-${at}`), bytes)));
  }
  const pod = (name: string, node: string, image: PodImage): object =>
    barePod({ name, namespace, node, containers: [container(image.reference)] });
  await installed.cluster.kubectl.apply(
    ...images.map((image, at) => pod(`has-${at}`, sources[at % sources.length] ?? "", image)),
  );
  await installed.waitForRunning(namespace, count);
  await registry.stop();
  return {
    namespace,
    images,
    async want(at, node) {
      const image = images[at];
      if (image === undefined) throw new RangeError(`there are ${count} images, not ${at + 1}`);
      await installed.cluster.kubectl.apply(pod(`wants-${at}`, node, image));
    },
    async arrived(...which) {
      const names = which.map((at) => `wants-${at}`);
      await installed.waitForPods(
        namespace,
        `${names.join(", ")} run`,
        (pods) => names.every((name) => pods.some((one) => one.name === name && one.isReady)),
        patienceMs,
      );
      for (const at of which) {
        assert.equal((await installed.logs(namespace, `wants-${at}`)).trim(), images[at]?.output);
        checkRecord(await recovered(installed, namespace, `wants-${at}`));
      }
    },
    async underWay() {
      const records = await installed.records(namespace);
      const moving = records.filter(({ status }) => status.phase === "Transferring");
      return moving.map(({ status }) => status.bytesTransferred ?? 0);
    },
  };
}

/** The record of a pod that runs again. */
async function recovered(installed: Installed, namespace: string, pod: string): Promise<SalvageRecord> {
  return await waitFor(
    `the record of ${pod} to have recovered`,
    async () =>
      (await installed.records(namespace)).find(
        ({ status }) =>
          status.origin?.pod === pod && (status.transitions ?? []).some(({ type }) => type === "recovered"),
      ),
    { timeoutMs: patienceMs, intervalMs: 300 },
  );
}

/** Completed, and never failed on the way. */
function checkRecord({ status }: SalvageRecord): void {
  assert.equal(status.phase, "Completed", status.message);
  const types = (status.transitions ?? []).map(({ type }) => type);
  assert.deepEqual(types.toSorted(), [...new Set(types)].toSorted(), "each happens once");
  assert.ok(!types.includes("salvage_failed"));
  assert.ok((status.bytesTotal ?? 0) > 0);
}
