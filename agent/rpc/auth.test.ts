import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import {
  Code,
  ConnectError,
  createClient,
  createRouterTransport,
  type Interceptor,
  type Transport,
} from "@connectrpc/connect";
import { createConnectTransport, Http2SessionManager } from "@connectrpc/connect-node";

import { ALL_ROLES, ROLES, type Role } from "../../lib/roles.ts";
import { Version } from "../../proto/gen/containerd/services/version/v1/version_pb.ts";
import { Health } from "../../proto/gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../proto/gen/grpc/reflection/v1/reflection_pb.ts";
import { AgentService } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { type Action, authorize, CALLERS, callerKey, createAuthInterceptor } from "./auth.ts";
import { collect, createTestPki, dialOptions, type FakeAgent, startFakeAgent } from "./fake-agent.ts";

const { controller, agent, operator, relay } = ROLES;

/** The contract's table, written a second time. */
const ALLOWED: readonly (readonly [Action, readonly Role[]])[] = [
  ["getNode", [controller, operator]],
  ["listImages", [controller, operator]],
  ["resolveImage", [controller, operator]],
  ["exportBlob", [agent]],
  ["importBlob", [controller]],
  ["exportImage", [controller, operator]],
  ["importImage", [controller]],
  ["cancelImport", [controller]],
  ["removeImage", [controller]],
  ["archive", [controller, operator]],
];

/** How a call ended: its code, or "answered" when a handler took it. */
type Calls = (transport: Transport) => Readonly<Record<Exclude<Action, "archive">, () => Promise<unknown>>>;

const callsOf: Calls = (transport) => {
  const client = createClient(AgentService, transport);
  return {
    getNode: () => client.getNode({}),
    listImages: () => client.listImages({}),
    resolveImage: () => client.resolveImage({ reference: "nginx" }),
    exportBlob: () => collect(client.exportBlob({ digest: "count", offset: 1n })),
    importBlob: () => client.importBlob(noParts()),
    exportImage: () => collect(client.exportImage({})),
    importImage: () => collect(client.importImage({ names: ["nginx"] })),
    cancelImport: () => client.cancelImport({}),
    removeImage: () => client.removeImage({}),
  };
};

describe("who may call what", () => {
  let fake: FakeAgent;
  const transports = new Map<string, Transport>();
  const sessions: Http2SessionManager[] = [];

  before(async () => {
    const pki = await createTestPki();
    fake = await startFakeAgent({ tls: await pki.issue(agent) });
    const identities = [...ALL_ROLES.map((role) => [role]), ["nobody.example"], [controller, operator], []];
    for (const names of identities) {
      const nodeOptions = dialOptions(await pki.issue(...names));
      const sessionManager = new Http2SessionManager(fake.url, {}, nodeOptions);
      sessions.push(sessionManager);
      const transport = createConnectTransport({ baseUrl: fake.url, httpVersion: "2", sessionManager });
      transports.set(names.join("+"), transport);
    }
  });
  after(async () => {
    for (const session of sessions) session.abort();
    await fake.close();
  });

  function transportOf(names: string): Transport {
    const transport = transports.get(names);
    assert.ok(transport !== undefined, names);
    return transport;
  }

  it("has an answer for every method", () => {
    assert.deepEqual(Object.fromEntries(ALLOWED), CALLERS);
    assert.deepEqual(Object.keys(CALLERS).sort(), [...Object.keys(AgentService.method), "archive"].sort());
  });

  for (const [action, allowed] of ALLOWED) {
    for (const role of ALL_ROLES) {
      const may = allowed.includes(role);
      it(`${may ? "lets" : "does not let"} ${role} call ${action}`, async () => {
        if (action === "archive") {
          const check = (): void => authorize({ kind: "role", role }, action);
          if (may) check();
          else assert.throws(check, { code: Code.PermissionDenied });
          return;
        }
        const { code, message } = await outcomeOf(callsOf(transportOf(role))[action]);
        if (may) {
          assert.notEqual(code, Code.PermissionDenied, message);
          return;
        }
        assert.equal(code, Code.PermissionDenied);
        const method = AgentService.method[action].name;
        assert.equal(message, `${role} may not call ${method}; allowed: ${allowed.join(", ")}`);
      });
    }
  }

  for (const role of ALL_ROLES) {
    it(`lets ${role} ask for health and reflection`, async () => {
      const health = createClient(Health, transportOf(role));
      assert.equal((await health.check({})).status, 1);
      const reflection = createClient(ServerReflection, transportOf(role));
      assert.equal((await collect(reflection.serverReflectionInfo(listServices()))).length, 1);
    });
  }

  it("lets nobody in whose certificate names no role or several", async () => {
    for (const [names, reason] of [
      ["nobody.example", /names no role/],
      ["tote-controller+tote-operator", /names 2 roles/],
      ["", /names no role/],
    ] as const) {
      for (const call of Object.values(callsOf(transportOf(names)))) {
        const { code, message } = await outcomeOf(call);
        assert.equal(code, Code.PermissionDenied, message);
        assert.match(message, reason);
      }
      const health = await outcomeOf(() => createClient(Health, transportOf(names)).check({}));
      assert.equal(health.code, Code.PermissionDenied);
    }
  });

  it("denies a caller that nobody identified", () => {
    assert.throws(() => authorize({ kind: "refused", reason: "the caller is unknown" }, "archive"), {
      code: Code.PermissionDenied,
      rawMessage:
        "GET /v1/archive needs a role, but the caller is unknown; allowed: tote-controller, tote-operator",
    });
  });

  it("allows everything to everyone without TLS", async () => {
    const insecure = await startFakeAgent();
    const transport = createConnectTransport({ baseUrl: insecure.url, httpVersion: "1.1" });
    for (const call of Object.values(callsOf(transport))) {
      const { code, message } = await outcomeOf(call);
      assert.notEqual(code, Code.PermissionDenied, message);
    }
    for (const [action] of ALLOWED) authorize({ kind: "anyone" }, action);
    await insecure.close();
  });

  it("denies methods of services that it has no rule for", async () => {
    const asController: Interceptor = (next) => (req) => {
      req.contextValues.set(callerKey, { kind: "role", role: controller });
      return next(req);
    };
    const transport = createRouterTransport((router) => router.service(Version, { version: () => ({}) }), {
      router: { interceptors: [asController, createAuthInterceptor()] },
    });
    const { code, message } = await outcomeOf(() => createClient(Version, transport).version({}));
    assert.equal(code, Code.PermissionDenied);
    assert.equal(
      message,
      "tote-controller may not call containerd.services.version.v1.Version/Version; nobody may",
    );
  });

  it("knows the relay, which may do nothing here", () => {
    for (const [action] of ALLOWED) assert.throws(() => authorize({ kind: "role", role: relay }, action));
  });
});

async function outcomeOf(
  call: () => Promise<unknown>,
): Promise<{ readonly code: Code | undefined; readonly message: string }> {
  try {
    await call();
    return { code: undefined, message: "answered" };
  } catch (error) {
    const { code, rawMessage } = ConnectError.from(error);
    return { code, message: rawMessage };
  }
}

async function* noParts() {
  yield { part: { case: "header", value: { digest: "sha256:a" } } } as const;
}

async function* listServices() {
  yield { messageRequest: { case: "listServices", value: "" } } as const;
}
