import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import grpc from "@grpc/grpc-js";

import { ROLES } from "../../lib/roles.ts";
import {
  HealthCheckRequestSchema,
  HealthCheckResponseSchema,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../../proto/gen/grpc/health/v1/health_pb.ts";
import {
  ExportBlobRequestSchema,
  ExportBlobResponseSchema,
  GetNodeRequestSchema,
  GetNodeResponseSchema,
} from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { collect, createTestPki, type FakeAgent, startFakeAgent } from "./fake-agent.ts";

const run = promisify(execFile);
const SERVICE = "tote.agent.v1.AgentService";
const BUF = "node_modules/.bin/buf";

describe("the rpc port works with tools and libraries of others", () => {
  let plain: FakeAgent;
  let secure: FakeAgent;
  let folder: string;

  before(async () => {
    const pki = await createTestPki();
    plain = await startFakeAgent();
    secure = await startFakeAgent({ tls: await pki.issue(ROLES.agent) });
    folder = await mkdtemp(join(tmpdir(), "tote-rpc-"));
    for (const role of [ROLES.operator, ROLES.agent]) {
      const { cert, key, ca } = await pki.issue(role);
      await writeFile(join(folder, `${role}.crt`), cert);
      await writeFile(join(folder, `${role}.key`), key);
      await writeFile(join(folder, "ca.crt"), ca);
    }
  });
  after(async () => {
    await Promise.all([plain.close(), secure.close()]);
    await rm(folder, { recursive: true });
  });

  function identity(role: string): readonly string[] {
    return [
      "--cacert",
      join(folder, "ca.crt"),
      "--cert",
      join(folder, `${role}.crt`),
      "--key",
      join(folder, `${role}.key`),
    ];
  }

  async function buf(...args: readonly string[]): Promise<string> {
    const { stdout } = await run(BUF, ["curl", ...args], { env: { ...process.env, HOME: folder } });
    return stdout;
  }

  describe("curl", () => {
    const json = ["--header", "content-type: application/json", "--data", "{}"];

    it("calls a unary method with JSON over HTTP/1.1", async () => {
      const { status, body } = await curl(...json, `${plain.url}/${SERVICE}/GetNode`);
      assert.equal(status, "1.1 200");
      assert.deepEqual(JSON.parse(body), { nodeName: "node-a", keepsLayers: true });
    });

    it("calls a unary method with JSON over HTTP/2 with prior knowledge", async () => {
      const { status, body } = await curl(
        "--http2-prior-knowledge",
        ...json,
        `${plain.url}/${SERVICE}/GetNode`,
      );
      assert.equal(status, "2 200");
      assert.deepEqual(JSON.parse(body), { nodeName: "node-a", keepsLayers: true });
    });

    it("calls a method without side effects with GET", async () => {
      const { status, body } = await curl(
        "--get",
        "--data",
        "encoding=json",
        "--data-urlencode",
        'message={"pageSize":7}',
        `${plain.url}/${SERVICE}/ListImages`,
      );
      assert.equal(status, "1.1 200");
      assert.deepEqual(JSON.parse(body), { nextPageToken: "after 7" });
    });

    it("may not use GET for a method with side effects", async () => {
      const { status } = await curl(
        "--get",
        "--data",
        "encoding=json",
        "--data-urlencode",
        "message={}",
        `${plain.url}/${SERVICE}/RemoveImage`,
      );
      assert.equal(status, "1.1 405");
    });

    it("calls with a client certificate over HTTP/1.1 and HTTP/2", async () => {
      const resolve = ["--connect-to", `${ROLES.agent}:443:127.0.0.1:${secure.server.port}`];
      for (const [flag, version] of [
        ["--http1.1", "1.1"],
        ["--http2", "2"],
      ] as const) {
        const { status, body } = await curl(
          flag,
          ...resolve,
          ...identity(ROLES.operator),
          ...json,
          `https://${ROLES.agent}/${SERVICE}/GetNode`,
        );
        assert.equal(status, `${version} 200`);
        assert.deepEqual(JSON.parse(body), { nodeName: "node-a", keepsLayers: true });
      }
    });

    it("gets every other path from the fallback", async () => {
      assert.deepEqual(await curl(`${plain.url}/v1/else?x=1`), {
        status: "1.1 404",
        body: "nothing at /v1/else?x=1",
      });
      assert.deepEqual(await curl("--http2-prior-knowledge", `${plain.url}/`), {
        status: "2 404",
        body: "nothing at /",
      });
    });
  });

  describe("buf curl", () => {
    it("lists the services by reflection", async () => {
      for (const version of ["grpc-v1", "grpc-v1alpha"]) {
        const services = await buf(
          "--http2-prior-knowledge",
          "--reflect-protocol",
          version,
          "--list-services",
          plain.url,
        );
        assert.deepEqual(services.trim().split("\n").sort(), [
          "grpc.health.v1.Health",
          "grpc.reflection.v1.ServerReflection",
          "grpc.reflection.v1alpha.ServerReflection",
          SERVICE,
        ]);
      }
    });

    it("calls a unary method and a server stream over plaintext HTTP/2", async () => {
      for (const protocol of ["connect", "grpc", "grpcweb"]) {
        const flags = ["--http2-prior-knowledge", "--protocol", protocol];
        assert.deepEqual(JSON.parse(await buf(...flags, "--data", "{}", `${plain.url}/${SERVICE}/GetNode`)), {
          nodeName: "node-a",
          keepsLayers: true,
        });
        const stream = await buf(
          ...flags,
          "--data",
          '{"digest":"count","offset":"2"}',
          `${plain.url}/${SERVICE}/ExportBlob`,
        );
        assert.match(stream, /"size": ?"2048"/);
        assert.equal(stream.match(/"data"/g)?.length, 2);
      }
    });

    it("calls with TLS and a client certificate", async () => {
      const flags = [...identity(ROLES.agent), "--servername", ROLES.agent];
      for (const protocol of ["connect", "grpc", "grpcweb"]) {
        const call = [
          "--protocol",
          protocol,
          "--data",
          '{"digest":"count","offset":"1"}',
          `${secure.url}/${SERVICE}/ExportBlob`,
        ];
        assert.match(await buf(...flags, ...call), /"size": ?"1024"/);
      }
    });
  });

  describe("grpc-js", () => {
    it("calls unary methods, server streams and the health service", async () => {
      const client = new grpc.Client(`127.0.0.1:${plain.server.port}`, grpc.credentials.createInsecure());
      try {
        const node = await unary(
          client,
          `/${SERVICE}/GetNode`,
          toBinary(GetNodeRequestSchema, create(GetNodeRequestSchema)),
        );
        assert.equal(fromBinary(GetNodeResponseSchema, node).nodeName, "node-a");

        const request = toBinary(
          ExportBlobRequestSchema,
          create(ExportBlobRequestSchema, { digest: "large", offset: 3n }),
        );
        const stream = client.makeServerStreamRequest<Buffer, Buffer>(
          `/${SERVICE}/ExportBlob`,
          bytes,
          bytes,
          Buffer.from(request),
        );
        const sizes = (await collect<Buffer>(stream)).map(
          (message) => fromBinary(ExportBlobResponseSchema, message).data.byteLength,
        );
        assert.deepEqual(sizes, [0, 1_048_576, 1_048_576, 1_048_576]);

        const check = toBinary(HealthCheckRequestSchema, create(HealthCheckRequestSchema));
        const health = await unary(client, "/grpc.health.v1.Health/Check", check);
        assert.equal(fromBinary(HealthCheckResponseSchema, health).status, ServingStatus.SERVING);
      } finally {
        client.close();
      }
    });

    it("gets unimplemented for a method that is not there", async () => {
      const client = new grpc.Client(`127.0.0.1:${plain.server.port}`, grpc.credentials.createInsecure());
      try {
        await assert.rejects(unary(client, `/${SERVICE}/Nothing`, Buffer.alloc(0)), {
          code: grpc.status.UNIMPLEMENTED,
        });
      } finally {
        client.close();
      }
    });
  });
});

async function curl(...args: readonly string[]): Promise<{ readonly status: string; readonly body: string }> {
  const { stdout } = await run("curl", [
    "--silent",
    "--show-error",
    "--max-time",
    "10",
    "--write-out",
    "\n%{http_version} %{http_code}",
    ...args,
  ]);
  const [body = "", status = ""] = stdout.split("\n");
  return { status, body };
}

function unary(client: grpc.Client, path: string, message: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest<Buffer, Buffer>(path, bytes, bytes, Buffer.from(message), (error, value) => {
      if (error !== null) reject(error);
      else if (value !== undefined) resolve(value);
    });
  });
}

/** gRPC carries messages that are encoded already. */
function bytes(message: Uint8Array): Buffer {
  return Buffer.from(message);
}
