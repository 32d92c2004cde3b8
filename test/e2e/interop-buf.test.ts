import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { fromJson, type JsonValue } from "@bufbuild/protobuf";

import { sha256Digest } from "../../lib/digest.ts";
import { Health } from "../../proto/gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../proto/gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionV1Alpha } from "../../proto/gen/grpc/reflection/v1alpha/reflection_pb.ts";
import {
  AgentService,
  ImportImageResponseSchema,
  type ImportResult,
} from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { assertImageRuns } from "../harness/assert-image.ts";
import { imageStatus } from "../harness/cri.ts";
import { loadImage } from "../harness/load-image.ts";
import { assertNothingHeld } from "../harness/node-state.ts";
import { CommandError } from "../harness/run.ts";
import { uniqueImage, type UniqueImage } from "../harness/unique-image.ts";
import { startInteropRig, type InteropRig } from "./interop-rig.ts";

const SERVICES = [AgentService, Health, ServerReflection, ServerReflectionV1Alpha].map(
  ({ typeName }) => typeName,
);

describe("buf curl and libraries, as docs/rpc.md shows them", () => {
  let rig: InteropRig;
  before(async () => {
    rig = await startInteropRig();
  });
  after(() => rig.cleanup.run());

  async function held(title: string): Promise<UniqueImage> {
    const image = await uniqueImage(title, { layers: [200_000] });
    await loadImage(rig.a.containerd, image.image, { names: [image.name] });
    return image;
  }

  /** The result at the end of what ImportImage printed, after progress messages. */
  function resultOf(stdout: string): ImportResult {
    const printed: JsonValue = JSON.parse(`[${stdout.trim().replaceAll(/\}\s*\n\s*\{/g, "},{")}]`);
    assert.ok(Array.isArray(printed));
    const events = printed.map((message) => fromJson(ImportImageResponseSchema, message).event);
    assert.ok(events.length > 1);
    for (const event of events.slice(0, -1)) assert.equal(event.case, "progress");
    const last = events.at(-1);
    assert.equal(last?.case, "result");
    return last.value;
  }

  async function assertOnB({ name, output, image, bytes }: UniqueImage, result: ImportResult): Promise<void> {
    assert.equal(result.visible, true, result.message);
    assert.equal(Number(result.bytesTransferred), bytes);
    assert.equal((await imageStatus(rig.b.containerd, name))?.id, image.config.digest);
    await assertNothingHeld({ name: "b", ctr: rig.b.ctr });
    await assertImageRuns(rig.b.containerd, name, output);
  }

  for (const example of ["buf-list", "buf-list-tls"] as const) {
    test(`buf lists the services by reflection ("${example}")`, async () => {
      const { stdout } = await rig.example(example);
      assert.deepEqual(stdout.trim().split("\n").sort(), SERVICES.toSorted());
    });
  }

  test("buf imports an image from an insecure agent to another, without a grant", async () => {
    const image = await held("buf-insecure");
    const { stdout } = await rig.example("buf-import", {
      env: { IMAGE: image.name, DIGEST: image.image.descriptor.digest },
    });
    await assertOnB(image, resultOf(stdout));
  });

  test("buf imports an image with certificates and a grant that was signed by hand", async () => {
    const image = await held("buf-grant");
    const resolved = await rig.example("resolve-image", { setup: "tls", env: { IMAGE: image.name } });
    const order = await rig.example("grant", { input: resolved.stdout, args: [image.name] });
    await writeFile(join(rig.folder, "order.json"), order.stdout);
    const { stdout } = await rig.example("buf-import-tls");
    await assertOnB(image, resultOf(stdout));
  });

  test("buf shows code, sentence and detail of an import that fails", async () => {
    const env = { IMAGE: "registry.test:5000/none:v1", DIGEST: `sha256:${"7".repeat(64)}` };
    const error = await rig.example("buf-import", { env }).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof CommandError, "it did not fail");
    const { code, message, details } = JSON.parse(error.stderr);
    assert.equal(code, "failed_precondition");
    assert.match(message, /^no source left for sha256:7+: a: blob sha256:7+ is not on this node$/);
    assert.equal(details[0].type, "tote.agent.v1.ImportFailure");
    assert.equal(details[0].debug.retryable ?? false, false);
    assert.equal(details[0].debug.sources[0].source.node, "a");
  });

  test("buf takes a blob and a whole image from one node, and pushes the blob to another", async () => {
    const { image, name, output } = await uniqueImage("buf-bytes", { layers: [1_500_000] });
    await loadImage(rig.a.containerd, image, { names: [name] });
    const layer = image.layers[1];
    assert.ok(layer);
    await rig.example("buf-export", { env: { IMAGE: name, DIGEST: layer.digest } });
    const bytes = await readFile(join(rig.folder, "layer.blob"));
    assert.equal(sha256Digest(bytes), layer.digest);
    const { stdout } = await rig.example("buf-import-blob", { env: { DIGEST: layer.digest } });
    assert.deepEqual(JSON.parse(stdout), { committed: true, offset: String(bytes.length) });
    assert.ok((await rig.b.ctr.content()).some((blob) => blob.digest === layer.digest));

    await rig.b.ctr.importImage(join(rig.folder, "image.tar"));
    await assertImageRuns(rig.b.containerd, name, output);
  });

  test("buf speaks gRPC proper", async () => {
    const image = await held("buf-grpc");
    const { stdout } = await rig.example("buf-grpc", { env: { IMAGE: image.name } });
    assert.equal(JSON.parse(stdout).target.digest, image.image.descriptor.digest);
  });

  test("grpc-js asks for the node", async () => {
    assert.equal((await rig.example("grpc-js")).stdout, "a\n");
  });

  test("a Connect client lists images", async () => {
    const image = await held("connect");
    const { stdout } = await rig.example("connect");
    const line = stdout.split("\n").find((found) => found.includes(image.name));
    assert.ok(line?.startsWith(`${image.image.descriptor.digest} true `), stdout);
  });
});
