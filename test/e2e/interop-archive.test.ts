import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile, stat, truncate } from "node:fs/promises";
import http from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { urlToHttpOptions } from "node:url";

import { ROLES } from "../../lib/roles.ts";
import { assertImageRuns } from "../harness/assert-image.ts";
import { bytesSent, readMetric } from "../harness/agent-metrics.ts";
import {
  buildImage,
  buildIndex,
  busyboxLayer,
  type Built,
  type BuiltImage,
  type LayerSpec,
} from "../harness/image-builder.ts";
import { loadImage } from "../harness/load-image.ts";
import { CommandError } from "../harness/run.ts";
import { uniqueImage } from "../harness/unique-image.ts";
import { waitFor } from "../harness/wait.ts";
import { SETUPS, startInteropRig, type ExampleOptions, type InteropRig } from "./interop-rig.ts";
import { HOST } from "./moves.ts";

const SLOW = ["--max-bandwidth", "500000"];

describe("an archive taken with curl, as docs/rpc.md shows it", () => {
  let rig: InteropRig;
  before(async () => {
    rig = await startInteropRig();
  });
  after(() => rig.cleanup.run());

  /** Puts an image on node a, takes its archive, has ctr import that on node b, and runs it there. */
  async function carry(image: Built, title: string, options: ExampleOptions = {}): Promise<void> {
    const name = `${HOST}/${title}:v1`;
    await loadImage(rig.a.containerd, image, { names: [name] });
    await rig.example("archive", { setup: "tls", ...options, env: { IMAGE: name } });
    await rig.example("ctr-import", { env: { CONTAINERD_ADDRESS: rig.b.containerd.socket } });
    const record = (await rig.b.ctr.images()).find((found) => found.name === name);
    assert.equal(record?.digest, image.descriptor.digest, "the digest stays what it is");
    await assertImageRuns(rig.b.containerd, name, title);
  }

  /** Runs the example, which must fail: curl's exit code and words, and what lies in image.tar. */
  async function failure(
    options: ExampleOptions,
  ): Promise<{ readonly exit: number | null; readonly words: string; readonly body: string }> {
    const error = await rig.example("archive", options).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof CommandError, `it did not fail: ${String(error)}`);
    const body = await readFile(join(rig.folder, "image.tar"), "latin1");
    return { exit: error.code, words: error.stderr, body };
  }

  async function refusal(
    options: ExampleOptions,
  ): Promise<{ readonly status: string; readonly code: string; readonly message: string }> {
    const { exit, words, body } = await failure(options);
    assert.equal(exit, 22, words);
    return { status: /error: (\d+)/.exec(words)?.[1] ?? words, ...JSON.parse(body) };
  }

  for (const setup of SETUPS) {
    test(`is imported by ctr on another node and runs there (${setup})`, async () => {
      const title = `archive-${setup}`;
      await carry(await printing(title), title, { setup });
    });
  }

  test("is given to an operator and to the controller, and to nobody else", async () => {
    await carry(await printing("controller"), "controller", { role: ROLES.controller });
    for (const role of [ROLES.agent, ROLES.relay]) {
      assert.deepEqual(await refusal({ setup: "tls", role, env: { IMAGE: "x" } }), {
        status: "403",
        code: "permission_denied",
        message: `${role} may not call GET /v1/archive; allowed: tote-controller, tote-operator`,
      });
    }
  });

  test("holds zstd and uncompressed layers as they are", async () => {
    await carry(await printing("zstd", { compression: "zstd" }), "zstd");
    await carry(await printing("plain", { compression: "none" }), "plain");
  });

  test("of an index with absent platforms and attestations holds this platform under the index's digest", async () => {
    const image = await printing("multi-arch");
    const absent = [{ os: "linux", architecture: "s390x" }];
    await carry(buildIndex({ images: [image], absent, attestations: true }), "multi-arch");
  });

  test("of something else than an image on this node is refused with a status and a sentence", async () => {
    assert.deepEqual(await refusal({ setup: "tls", env: { IMAGE: `${HOST}/none:v1` } }), {
      status: "404",
      code: "not_found",
      message: `${HOST}/none:v1 is not on this node`,
    });
    const empty = await refusal({ setup: "insecure", env: { IMAGE: "" } });
    assert.deepEqual([empty.status, empty.code], ["400", "invalid_argument"]);
    const bad = await refusal({ setup: "insecure", env: { IMAGE: "No Image" } });
    assert.deepEqual([bad.status, bad.code], ["400", "invalid_argument"]);
  });

  test("of an image whose layer blobs were discarded is refused, naming LAYERS_DISCARDED and the layer", async () => {
    const image = await printing("discarded");
    const [layer] = image.layers;
    assert.ok(layer);
    const name = `${HOST}/discarded:v1`;
    await loadImage(rig.a.containerd, image, { names: [name], without: [layer.digest] });
    const { status, code, message } = await refusal({ setup: "tls", env: { IMAGE: name } });
    assert.deepEqual([status, code], ["412", "failed_precondition"]);
    assert.match(
      message,
      new RegExp(`^${name} cannot be exported from this node: LAYERS_DISCARDED: .*${layer.digest}`),
    );
  });

  test("of an image with a damaged blob breaks off: curl fails over HTTP/1.1 and HTTP/2", async () => {
    const { image, name } = await uniqueImage("damaged");
    await loadImage(rig.a.containerd, image, { names: [name] });
    const last = image.layers.at(-1)?.digest.slice("sha256:".length) ?? "";
    await truncate(join(rig.a.containerd.contentDir, "blobs/sha256", last), 1000);
    for (const version of ["--http1.1", "--http2"]) {
      const { exit, words, body } = await failure({ setup: "tls", env: { IMAGE: name }, curl: version });
      assert.ok(exit === 18 || exit === 56 || exit === 92, `curl exited with ${exit}: ${words}`);
      assert.ok(body.length > 1_000_000, `${body.length} bytes had come`);
    }
    assert.match(rig.a.secure.logs(), /"archive failed".*ended at byte 1000 of/);
  });

  test("breaks off when the agent is killed: curl fails; meanwhile it counts as one export and heeds the limit", async () => {
    const { image, name, bytes } = await uniqueImage("killed");
    await loadImage(rig.a.containerd, image, { names: [name] });
    const { secure } = rig.a;
    await secure.restart({ args: SLOW });
    const started = performance.now();
    const failed = failure({ setup: "tls", env: { IMAGE: name } });
    const file = join(rig.folder, "image.tar");
    await waitFor("the archive to be in the middle", async () => (await bytesSent(secure)) > 1_000_000);
    assert.equal(await readMetric(secure, "tote_agent_active_transfers"), 1);
    const { stdout } = await rig.example("get-node", { setup: "tls" });
    assert.equal(JSON.parse(stdout).activeExports, 1);
    const rate = (await bytesSent(secure)) / (performance.now() - started);
    assert.ok(rate < 1000, `${rate} bytes per ms`);
    await secure.kill();
    const { exit, words } = await failed;
    assert.ok(exit === 18 || exit === 56 || exit === 92, `curl exited with ${exit}: ${words}`);
    assert.ok((await stat(file)).size < bytes);
    await secure.restart({ args: [] });
  });

  test("a target that is no URL is answered, and ends nothing", async () => {
    for (const path of ["//", "///", "/\\", "//a:b/"]) {
      const request = http.get({ ...urlToHttpOptions(new URL(rig.a.insecure.url)), path, agent: false });
      const [response] = await once(request, "response");
      assert.ok([400, 404].includes(response.statusCode), `${path}: ${response.statusCode}`);
      response.resume();
    }
    assert.equal(rig.a.insecure.status(), undefined, "the agent has ended");
  });
});

/** An image of its own that prints its title. */
async function printing(title: string, options: Pick<LayerSpec, "compression"> = {}): Promise<BuiltImage> {
  const base = await busyboxLayer(options.compression);
  const files = { ...base.files, "etc/title": title };
  return await buildImage({ layers: [{ ...base, files }], config: { cmd: ["/bin/echo", title] } });
}
