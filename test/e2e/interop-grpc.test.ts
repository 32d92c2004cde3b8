import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { fromBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-node";
import { status, type ServiceError } from "@grpc/grpc-js";

import { ROLES } from "../../lib/roles.ts";
import { clientTlsOptions } from "../../lib/tls.ts";
import {
  Health,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../../proto/gen/grpc/health/v1/health_pb.ts";
import { AgentService, ImportFailureSchema } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { loadImage } from "../harness/load-image.ts";
import { startSharedRig, type Rig, type RigImport } from "../harness/rig.ts";
import { uniqueImage, type UniqueImage } from "../harness/unique-image.ts";
import { GrpcClient } from "./grpc-client.ts";
import { assertSalvaged } from "./salvaged.ts";

const { getNode, resolveImage, importImage, exportImage } = AgentService.method;

describe("clients of others", () => {
  let rig: Rig;
  before(async () => {
    rig = await startSharedRig({ a: {}, b: {} });
  });
  after(() => rig.cleanup.run());

  async function held(title: string): Promise<{ readonly moved: UniqueImage; readonly order: RigImport }> {
    const moved = await uniqueImage(title, { layers: [200_000] });
    await loadImage(rig.node("a").containerd, moved.image, { names: [moved.name] });
    return { moved, order: { image: moved.image, names: [moved.name], target: "b" } };
  }

  describe("with @grpc/grpc-js", () => {
    const clients: GrpcClient[] = [];
    after(() => {
      for (const client of clients) client.close();
    });
    async function dial(node: string, role: (typeof ROLES)[keyof typeof ROLES]): Promise<GrpcClient> {
      const client = new GrpcClient(rig.node(node).agent, await rig.pki.role(role));
      clients.push(client);
      return client;
    }

    test("ask for the node and resolve an image", async () => {
      const { moved } = await held("grpc-resolve");
      const client = await dial("a", ROLES.operator);
      assert.equal((await client.unary(getNode, {})).nodeName, "a");
      const found = await client.unary(resolveImage, { reference: moved.name });
      assert.equal(found.target?.digest, moved.image.descriptor.digest);
      assert.equal(found.complete, true);
    });

    test("import an image and follow its progress", async () => {
      const { moved, order } = await held("grpc-import");
      const client = await dial("b", ROLES.controller);
      const events = [];
      for await (const { event } of client.stream(importImage, await rig.order(order))) events.push(event);
      assert.equal(events[0]?.case, "progress");
      const last = events.at(-1);
      assert.equal(last?.case, "result");
      await assertSalvaged(rig.node("b"), moved, last.value);
    });

    test("get code, sentence and detail of an error", async () => {
      const { order } = await held("grpc-failure");
      const client = await dial("b", ROLES.controller);
      const request = await rig.order({ ...order, maxBytes: 1000 });
      const error = await failureOf(drain(client.stream(importImage, request)));
      assert.equal(error.code, status.RESOURCE_EXHAUSTED);
      assert.match(error.details, /^image sha256:\w+ has \d+ bytes, more than max_bytes 1000$/);
      assert.deepEqual(detailOf(error), { retryable: false });

      const odd = await failureOf(
        (await dial("a", ROLES.operator)).unary(resolveImage, { reference: "ü: 100%\n" }),
      );
      assert.equal(odd.code, status.INVALID_ARGUMENT);
      assert.match(odd.details, /"ü: 100%\\n"/);

      const denied = await failureOf(
        (await dial("b", ROLES.operator)).unary(AgentService.method.removeImage, {}),
      );
      assert.equal(denied.code, status.PERMISSION_DENIED);
      assert.equal(denied.details, "tote-operator may not call RemoveImage; allowed: tote-controller");
    });

    test("check and watch health, in the role that may do nothing else", async () => {
      const client = await dial("a", ROLES.relay);
      for (const service of ["", AgentService.typeName]) {
        assert.equal((await client.unary(Health.method.check, { service })).status, ServingStatus.SERVING);
      }
      const unknown = await failureOf(client.unary(Health.method.check, { service: "no.such.Service" }));
      assert.equal(unknown.code, status.NOT_FOUND);
      for await (const answer of client.stream(Health.method.watch, {})) {
        assert.equal(answer.status, ServingStatus.SERVING);
        break;
      }
    });
  });

  for (const httpVersion of ["1.1", "2"] as const) {
    describe(`with gRPC-Web over HTTP/${httpVersion}`, () => {
      async function dial(node: string, role: (typeof ROLES)[keyof typeof ROLES]) {
        const nodeOptions = clientTlsOptions(await rig.pki.role(role), ROLES.agent);
        return createClient(
          AgentService,
          createGrpcWebTransport({ baseUrl: rig.node(node).agent.url, httpVersion, nodeOptions }),
        );
      }

      test("resolve an image, and are told when it is not there", async () => {
        const { moved } = await held(`web-resolve-${httpVersion}`);
        const client = await dial("a", ROLES.operator);
        const found = await client.resolveImage({ reference: moved.image.descriptor.digest });
        assert.deepEqual(found.names.includes(moved.name), true);
        await assert.rejects(client.resolveImage({ reference: "none" }), (error) => {
          assert.ok(error instanceof ConnectError && error.code === Code.NotFound, String(error));
          assert.equal(error.rawMessage, "none is not on node a");
          return true;
        });
      });

      test("import an image", async () => {
        const { moved, order } = await held(`web-import-${httpVersion}`);
        const events = [];
        const client = await dial("b", ROLES.controller);
        for await (const { event } of client.importImage(await rig.order(order))) events.push(event);
        const last = events.at(-1);
        assert.equal(last?.case, "result");
        await assertSalvaged(rig.node("b"), moved, last.value);
      });
    });
  }

  test("get the same archive over every protocol", async () => {
    const { moved } = await held("archives");
    const material = await rig.pki.role(ROLES.operator);
    const grpcJs = new GrpcClient(rig.node("a").agent, material);
    const connect = await rig.client("a", ROLES.operator);
    const nodeOptions = clientTlsOptions(material, ROLES.agent);
    const web = createClient(
      AgentService,
      createGrpcWebTransport({ baseUrl: rig.node("a").agent.url, httpVersion: "1.1", nodeOptions }),
    );
    const request = { reference: moved.name };
    const archives = [
      await bytesOf(grpcJs.stream(exportImage, request)),
      await bytesOf(connect.exportImage(request)),
      await bytesOf(web.exportImage(request)),
    ];
    grpcJs.close();
    assert.ok((archives[0]?.length ?? 0) > moved.bytes);
    for (const archive of archives) assert.ok(archive.equals(archives[0] ?? Buffer.alloc(0)));
  });
});

async function failureOf(call: Promise<unknown>): Promise<ServiceError> {
  try {
    await call;
  } catch (error) {
    assert.ok(isServiceError(error), String(error));
    return error;
  }
  throw new Error("the call did not fail");
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "details" in error && "metadata" in error;
}

/** The ImportFailure inside google.rpc.Status, found by its type's name; read by hand, as the proto is not ours. */
function detailOf({ metadata }: ServiceError): { readonly retryable: boolean } {
  const [bytes] = metadata.get("grpc-status-details-bin");
  assert.ok(bytes instanceof Buffer);
  const type = `type.googleapis.com/${ImportFailureSchema.typeName}`;
  const at = bytes.indexOf(type);
  assert.ok(at > 0, "no detail of this type");
  // google.protobuf.Any: field 2 follows, its length in one byte; nothing follows for an empty message
  const length = bytes[at + type.length + 1] ?? 0;
  const start = at + type.length + 2;
  const { retryable } = fromBinary(ImportFailureSchema, bytes.subarray(start, start + length));
  return { retryable };
}

async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const message of stream) assert.ok(message);
}

async function bytesOf(stream: AsyncIterable<{ readonly data: Uint8Array }>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const { data } of stream) pieces.push(data);
  return Buffer.concat(pieces);
}
