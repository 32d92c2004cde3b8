import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";

import { ROLES } from "../../lib/roles.ts";
import { fromJsonString } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import {
  AgentService,
  ListImagesResponseSchema,
  type ListImagesResponse,
} from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { buildImage } from "../harness/image-builder.ts";
import { loadImage } from "../harness/load-image.ts";
import { ociArchive } from "../harness/oci-archive.ts";
import { freePorts } from "../harness/ports.ts";
import { CommandError } from "../harness/run.ts";
import { uniqueImage, type UniqueImage } from "../harness/unique-image.ts";
import {
  readExamples,
  SETUPS,
  startInteropRig,
  type ExampleOptions,
  type InteropRig,
} from "./interop-rig.ts";

test("every example of docs/rpc.md is run by a test", async () => {
  const folder = new URL(".", import.meta.url);
  const tests = (await readdir(folder)).filter((file) => /^interop-.*\.ts$/.test(file));
  const sources = (await Promise.all(tests.map((file) => readFile(new URL(file, folder), "utf8")))).join("");
  const names = [...(await readExamples()).keys()];
  assert.ok(names.length > 10);
  for (const name of names) {
    const isSetup = SETUPS.some((setup) => name === `setup-${setup}`);
    assert.ok(isSetup || new RegExp(`"${name}"`).test(sources), `no test runs the example ${name}`);
  }
});

test("every method has an example, so each is run by a test", async () => {
  const code = [...(await readExamples()).values()].map((example) => example.code).join("\n");
  for (const { name } of AgentService.methods) {
    assert.match(code, new RegExp(`AgentService/${name}\\b`), `no example calls ${name}`);
  }
});

describe("curl, as docs/rpc.md shows it", () => {
  let rig: InteropRig;
  let held: UniqueImage;
  before(async () => {
    rig = await startInteropRig();
    held = await uniqueImage("curl", { layers: [1000] });
    await loadImage(rig.a.containerd, held.image, { names: [held.name] });
  });
  after(() => rig.cleanup.run());

  async function json(name: string, options: ExampleOptions): Promise<Record<string, unknown>> {
    return JSON.parse((await rig.example(name, options)).stdout);
  }

  /** Runs an example that fails at the HTTP level; answers curl's exit code and the error's JSON. */
  async function failure(
    name: string,
    options: ExampleOptions,
  ): Promise<{ readonly exit: number | null; readonly code: string; readonly message: string }> {
    const error = await rig.example(name, options).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof CommandError, `it did not fail: ${String(error)}`);
    return { exit: error.code, ...JSON.parse(error.stdout) };
  }

  for (const setup of SETUPS) {
    const how = setup === "tls" ? "with certificates" : "without TLS";

    test(`asks for the node, ${how}`, async () => {
      const node = await json("get-node", { setup });
      assert.equal(node["nodeName"], "a");
      assert.equal(node["snapshotter"], "overlayfs");
      assert.equal(node["keepsLayers"], true);
      assert.match(String(node["imageFsFreeBytes"]), /^\d{6,}$/);
    });

    for (const example of ["resolve-image", "get"] as const) {
      test(`resolves an image by the example "${example}", ${how}`, async () => {
        const found = await json(example, { setup, env: { IMAGE: held.name } });
        assert.deepEqual(found["target"], {
          mediaType: held.image.descriptor.mediaType,
          digest: held.image.descriptor.digest,
          size: String(held.image.descriptor.size),
        });
        assert.equal(found["configDigest"], held.image.config.digest);
        assert.equal(found["complete"], true);
        assert.ok(Array.isArray(found["names"]) && found["names"].includes(held.name));
      });
    }

    test(`is told what is wrong, ${how}`, async () => {
      assert.deepEqual(await failure("resolve-image", { setup, env: { IMAGE: "registry.test/none:v1" } }), {
        exit: 22,
        code: "not_found",
        message: "registry.test/none:v1 is not on node a",
      });
      const bad = await failure("resolve-image", { setup, env: { IMAGE: "No Image" } });
      assert.equal(bad.code, "invalid_argument");
      assert.match(bad.message, /"No Image"/);
    });

    test(`checks health, ${how}`, async () => {
      assert.deepEqual(await json("health", { setup }), { status: "SERVING" });
    });
  }

  test("is refused with an agent's certificate, and says so", async () => {
    assert.deepEqual(await failure("get-node", { setup: "tls", role: ROLES.agent }), {
      exit: 22,
      code: "permission_denied",
      message: "tote-agent may not call GetNode; allowed: tote-controller, tote-operator",
    });
  });

  test("and any client learns that a method is not there from a code of its own", async () => {
    const url = `${rig.a.insecure.url}/tote.agent.v1.AgentService/Nothing`;
    const answer = await fetch(url, {
      method: "POST",
      body: "{}",
      headers: { "content-type": "application/json" },
    });
    assert.equal(answer.status, 404);
    assert.deepEqual(await answer.json(), {
      code: "unimplemented",
      message: "there is nothing at /tote.agent.v1.AgentService/Nothing",
    });
    assert.equal((await fetch(`${rig.a.insecure.url}/v2/`)).status, 404);
  });

  test("lists many images in pages, each once, in the order of their digests", async () => {
    const many = await Promise.all(
      Array.from({ length: 130 }, async (_, at) => ({
        names: [`registry.test:5000/many:${at}`],
        image: await buildImage({ layers: [], config: { cmd: [String(at)] } }),
      })),
    );
    const contents = many.map(({ names, image }) => ({
      root: image.descriptor,
      names,
      blobs: image.blobs.values(),
    }));
    await rig.a.ctr.importImage(ociArchive(...contents), ["--no-unpack"]);

    const { stdout } = await rig.example("list-images", { setup: "tls" });
    const pages = stdout
      .trim()
      .split("\n")
      .map((line): ListImagesResponse => fromJsonString(ListImagesResponseSchema, line));
    assert.deepEqual(
      pages.map(({ images }) => images.length),
      [100, 31],
    );
    const listed = pages.flatMap(({ images }) => images);
    const expected = [...many, { names: [held.name], image: held.image }].map(
      ({ image }) => image.descriptor.digest,
    );
    assert.deepEqual(
      listed.map(({ target }) => target?.digest),
      expected.sort(),
    );
    for (const { names, image } of many) {
      const found = listed.find(({ target }) => target?.digest === image.descriptor.digest);
      assert.deepEqual(
        found?.names.filter((name) => !name.startsWith("sha256:")),
        names,
      );
      assert.equal(found.complete, true);
      assert.equal(Number(found.totalBytes), image.descriptor.size + image.config.size);
    }
  });

  test("removes a name, though not for another digest than it points at", async () => {
    const { image, name } = await uniqueImage("removed", { layers: [1000] });
    await loadImage(rig.a.containerd, image, { names: [name] });
    const env = { IMAGE: name, DIGEST: image.descriptor.digest };
    const other = await failure("remove-image", {
      setup: "insecure",
      env: { ...env, DIGEST: held.image.descriptor.digest },
    });
    assert.equal(other.code, "failed_precondition");
    assert.match(other.message, /nothing was removed$/);
    assert.deepEqual(await json("remove-image", { setup: "insecure", env }), { removed: true });
    assert.deepEqual(await json("remove-image", { setup: "insecure", env }), {});
    assert.ok(!(await rig.a.ctr.images()).some((record) => record.name === name));
  });

  test("cancels what is kept of an import that may be tried again", async () => {
    const { image, name } = await uniqueImage("cancelled", { layers: [1000] });
    const { digest } = image.descriptor;
    const env = { DIGEST: digest };
    assert.deepEqual(await json("cancel-import", { setup: "insecure", env }), {});
    const [nobody = 0] = await freePorts(1);
    const sources = [{ node: "gone", endpoint: `http://127.0.0.1:${nobody}` }];
    const transport = createConnectTransport({ baseUrl: rig.a.insecure.url, httpVersion: "1.1" });
    const events = createClient(AgentService, transport).importImage({ names: [name], digest, sources });
    await assert.rejects(Array.fromAsync(events), /\[unavailable\]/);
    assert.equal((await rig.a.ctr.leases()).length, 1);
    assert.deepEqual(await json("cancel-import", { setup: "insecure", env }), { cancelled: true });
    assert.deepEqual(await rig.a.ctr.leases(), []);
  });
});
