import assert from "node:assert/strict";
import https from "node:https";
import { after, before, describe, test } from "node:test";

import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type Client, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";

import { ALL_ROLES, ROLES, type Role } from "../../lib/roles.ts";
import { clientTlsOptions } from "../../lib/tls.ts";
import { Health } from "../../proto/gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../proto/gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionV1Alpha } from "../../proto/gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { AgentService } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { loadImage } from "../harness/load-image.ts";
import { startSharedRig, type Rig } from "../harness/rig.ts";
import { createGrantMaker, type GrantMaker } from "./grants.ts";
import { HOST, runnable } from "./moves.ts";

const NAME = `${HOST}/roles:v1`;
const { controller, agent, operator } = ROLES;

/** One caller's way to the agent. */
interface Caller {
  readonly role: Role;
  readonly transport: Transport;
  readonly agent: Client<typeof AgentService>;
}

/** A row of the table: who may call, and a call that succeeds for them and that others try in vain. */
interface Row {
  readonly allowed: readonly Role[];
  call(caller: Caller): Promise<void>;
}

describe("who may call what", () => {
  let rig: Rig;
  let digest: string;
  let grants: GrantMaker;
  const callers = new Map<Role, Caller>();

  before(async () => {
    rig = await startSharedRig({ a: {} });
    const image = await runnable("roles");
    ({ digest } = image.descriptor);
    await loadImage(rig.node("a").containerd, image, { names: [NAME] });
    grants = createGrantMaker(rig, { image, names: [`${HOST}/roles:copy`], target: "a", sources: ["a"] });
    for (const role of ALL_ROLES) {
      const transport = createConnectTransport({
        baseUrl: rig.node("a").agent.url,
        httpVersion: "2",
        nodeOptions: clientTlsOptions(await rig.pki.role(role), agent),
      });
      callers.set(role, { role, transport, agent: createClient(AgentService, transport) });
    }
  });
  after(() => rig.cleanup.run());

  // DESIGN: the table of RPCs. The grants are good ones: it is the caller that is refused.
  const agentRows: Readonly<Record<string, Row>> = {
    GetNode: {
      allowed: [controller, operator],
      call: async (caller) => assert.equal((await caller.agent.getNode({})).nodeName, "a"),
    },
    ListImages: {
      allowed: [controller, operator],
      call: async (caller) => assert.equal((await caller.agent.listImages({})).images.length, 1),
    },
    ResolveImage: {
      allowed: [controller, operator],
      call: async (caller) =>
        assert.equal((await caller.agent.resolveImage({ reference: NAME })).target?.digest, digest),
    },
    ExportBlob: {
      allowed: [agent],
      async call(caller) {
        const grant = await grants.sign(grants.exportClaims());
        const sizes = await collect(caller.agent.exportBlob({ digest, grant }), ({ size, data }) =>
          size === 0n ? data.length : -Number(size),
        );
        assert.equal(
          sizes.reduce((sum, size) => sum + size),
          0,
          "announced and sent bytes",
        );
      },
    },
    ImportBlob: {
      allowed: [controller],
      async call(caller) {
        const grant = await grants.sign(await grants.importClaims({ blobs: [digest] }));
        const answer = await caller.agent.importBlob(
          messages({ part: { case: "header" as const, value: { digest, size: 1n, grant } } }),
        );
        assert.equal(answer.committed, true, "the blob is there already");
      },
    },
    ExportImage: {
      allowed: [controller, operator],
      async call(caller) {
        const sizes = await collect(caller.agent.exportImage({ reference: NAME }), ({ data }) => data.length);
        assert.equal(sizes.reduce((sum, size) => sum + size) % 512, 0, "length of a tar");
      },
    },
    ImportImage: {
      allowed: [controller],
      async call(caller) {
        const request = { ...grants.request(), grant: await grants.sign(await grants.importClaims()) };
        const cases = await collect(caller.agent.importImage(request), ({ event }) => event.case);
        assert.equal(cases.at(-1), "result");
      },
    },
    CancelImport: {
      allowed: [controller],
      async call(caller) {
        const grant = await grants.sign(await grants.importClaims());
        assert.equal((await caller.agent.cancelImport({ digest, grant })).cancelled, false);
      },
    },
    RemoveImage: {
      allowed: [controller],
      async call(caller) {
        const { removed } = await caller.agent.removeImage({ name: `${HOST}/roles:none`, digest });
        assert.equal(removed, false);
      },
    },
  };

  const otherRows: Readonly<Record<string, Row>> = {
    "grpc.health.v1.Health/Check": {
      allowed: ALL_ROLES,
      async call({ transport }) {
        assert.equal((await createClient(Health, transport).check({})).status, 1);
      },
    },
    "grpc.health.v1.Health/Watch": {
      allowed: ALL_ROLES,
      async call({ transport }) {
        for await (const { status } of createClient(Health, transport).watch({})) {
          assert.equal(status, 1);
          return;
        }
        assert.fail("the watch ended at once");
      },
    },
    "grpc.reflection.v1.ServerReflection/ServerReflectionInfo": {
      allowed: ALL_ROLES,
      async call({ transport }) {
        const client = createClient(ServerReflection, transport);
        const ask = { messageRequest: { case: "listServices" as const, value: "" } };
        const [names] = await collect(client.serverReflectionInfo(messages(ask)), serviceNames);
        assert.ok(names?.includes(AgentService.typeName));
      },
    },
    "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": {
      allowed: ALL_ROLES,
      async call({ transport }) {
        const client = createClient(ServerReflectionV1Alpha, transport);
        const ask = { messageRequest: { case: "listServices" as const, value: "" } };
        const [names] = await collect(client.serverReflectionInfo(messages(ask)), serviceNames);
        assert.ok(names?.includes(AgentService.typeName));
      },
    },
    "GET /v1/archive": {
      allowed: [controller, operator],
      async call({ role }) {
        const { status, body } = await getArchive(role);
        if (status === 200) assert.equal(body.length % 512, 0, "length of a tar");
        else throw new ConnectError(JSON.parse(body.toString()).message, codeOfStatus(status));
      },
    },
  };

  async function getArchive(role: Role): Promise<{ readonly status: number; readonly body: Buffer }> {
    const url = `${rig.node("a").agent.url}/v1/archive?reference=${encodeURIComponent(NAME)}`;
    const options = clientTlsOptions(await rig.pki.role(role), agent);
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: Buffer }>();
    https
      .get(url, { ...options, agent: false }, (response) => {
        collect<Buffer, Buffer>(response, (piece) => piece).then(
          (pieces) => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(pieces) }),
          reject,
        );
      })
      .on("error", reject);
    return promise;
  }

  test("every method of every service that the agent serves has a row", () => {
    const full = ({ parent, name }: DescMethod): string => `${parent.typeName}/${name}`;
    assert.deepEqual(
      Object.keys(agentRows),
      AgentService.methods.map(({ name }) => name),
    );
    const served = [Health, ServerReflection, ServerReflectionV1Alpha].flatMap(({ methods }) => methods);
    assert.deepEqual(Object.keys(otherRows), [...served.map(full), "GET /v1/archive"]);
  });

  for (const [name, row] of Object.entries({ ...agentRows, ...otherRows })) {
    for (const role of ALL_ROLES) {
      const allowed = row.allowed.includes(role);
      test(`${role} ${allowed ? "may" : "may not"} call ${name}`, async () => {
        const caller = callers.get(role);
        assert.ok(caller);
        if (allowed) {
          await row.call(caller);
          return;
        }
        await assert.rejects(row.call(caller), (error) => {
          assert.ok(error instanceof ConnectError, String(error));
          assert.equal(error.code, Code.PermissionDenied);
          const may = row.allowed.toSorted().join(", ");
          assert.equal(error.rawMessage, `${role} may not call ${name}; allowed: ${may}`);
          return true;
        });
      });
    }
  }
});

function codeOfStatus(status: number): Code {
  return status === 403 ? Code.PermissionDenied : Code.Unknown;
}

function serviceNames({
  messageResponse,
}: {
  readonly messageResponse:
    | { readonly case: "listServicesResponse"; readonly value: { readonly service: { name: string }[] } }
    | { readonly case: string | undefined };
}): readonly string[] {
  return "value" in messageResponse ? messageResponse.value.service.map(({ name }) => name) : [];
}

async function* messages<T>(...all: readonly T[]): AsyncGenerator<T> {
  yield* all;
}

async function collect<T, R>(stream: AsyncIterable<T>, pick: (item: T) => R): Promise<R[]> {
  const items: R[] = [];
  for await (const item of stream) items.push(pick(item));
  return items;
}
