import assert from "node:assert/strict";

import type { ImportResult } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { assertImageRuns } from "../harness/assert-image.ts";
import { imageStatus } from "../harness/cri.ts";
import {
  buildImage,
  buildRunnableImage,
  busyboxLayer,
  type Built,
  type BuiltImage,
} from "../harness/image-builder.ts";
import { loadImage } from "../harness/load-image.ts";
import type { Rig } from "../harness/rig.ts";

/** The registry that images of tests claim to come from; nobody listens there. */
export const HOST = "registry.test:5000";

/** An image and what it prints. */
export interface TestImage {
  readonly image: Built;
  readonly output: string;
}

/** Builds an image that prints `output`, with small layers of its own. */
export async function runnable(
  output: string,
  options: Omit<Parameters<typeof buildRunnableImage>[0], "output"> = {},
): Promise<BuiltImage> {
  return await buildRunnableImage({ output, ...options });
}

/** Builds an image as runnable does, of which no layer is part of another image. */
export async function unshared(
  output: string,
  { layers = [], compression, dir }: Parameters<typeof runnable>[1] & object,
): Promise<BuiltImage> {
  const base = await busyboxLayer(compression);
  return await buildImage({
    layers: [{ ...base, files: { ...base.files, "etc/title": output } }, ...layers],
    config: { cmd: ["/bin/echo", output] },
    ...(dir !== undefined && { dir }),
  });
}

/**
 * Puts an image on node a and imports it on node b under `name`, then proves it by the kubelet's eye: CRI finds the
 * very string, no lease or ingest is left, and after garbage collection the image unpacks again and runs.
 */
export async function moveAndProve(
  rig: Rig,
  { image, output }: TestImage,
  name: string,
  options: { readonly onSource?: string; readonly digest?: string; readonly fromBlobs?: boolean } = {},
): Promise<ImportResult> {
  const b = rig.node("b");
  await loadImage(rig.node("a").containerd, image, { names: [options.onSource ?? name] });
  assert.equal(await imageStatus(b.containerd, name), undefined, "b has the image beforehand");
  const result = await rig.import({
    image,
    names: [name],
    target: "b",
    ...(options.digest !== undefined && { digest: options.digest }),
  });
  await proveImport(rig, result, name, output, options);
  return result;
}

/** The proof of moveAndProve for an import that has been made. */
export async function proveImport(
  rig: Rig,
  result: ImportResult,
  name: string,
  output: string,
  options: { readonly fromBlobs?: boolean } = {},
): Promise<void> {
  const { containerd, ctr } = rig.node("b");
  assert.equal(result.visible, true, result.message);
  assert.equal((await imageStatus(containerd, name))?.id, result.configDigest);
  assert.deepEqual(await ctr.leases(), [], "leases on b");
  assert.deepEqual(await ctr.ingests(), [], "ingests on b");
  const record = result.names.find((candidate) => candidate.includes("/"));
  assert.ok(record, `no record with a repository in ${result.names.join(", ")}`);
  await assertImageRuns(containerd, record, output, options);
}
