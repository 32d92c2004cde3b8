import assert from "node:assert/strict";
import { createServer } from "node:https";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { loadKubeConnection } from "../../controller/kube/kube-config.ts";
import { ROLES } from "../../lib/roles.ts";
import { createCleanup, type Cleanup } from "../harness/cleanup.ts";
import { createPki } from "../harness/pki.ts";
import { waitFor } from "../harness/wait.ts";
import { SERVICE_ACCOUNT } from "./cluster.ts";
import { startController } from "./controller-process.ts";
import { startSimulatedRig, type SimulatedRig } from "./simulated-rig.ts";

const AGENT_LABELS = { "app.kubernetes.io/name": "tote", "app.kubernetes.io/component": "agent" };

/** Puts the pod of a node's agent. */
function agentPod(rig: SimulatedRig, node: string, options: { readonly ready?: boolean } = {}): void {
  const { host } = rig.fleet.agent(node);
  const isReady = options.ready ?? true;
  rig.server.put({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: `tote-agent-${node}`, namespace: "tote", labels: AGENT_LABELS },
    spec: { nodeName: node, containers: [{ name: "agent", image: "tote" }] },
    status: {
      phase: "Running",
      podIP: host,
      conditions: [{ type: "Ready", status: isReady ? "True" : "False" }],
    },
  });
}

function failing(rig: SimulatedRig, name: string, ...holders: readonly string[]): void {
  rig.createNamespace("shop");
  const image = rig.image(name, ...holders);
  rig.createPod({ name, namespace: "shop", node: "b", image: image.name });
}

test("agents are found as ready pods by their labels, come and go", async (t) => {
  const pki = await createPki();
  const tls = await pki.role(ROLES.agent);
  const rig = await startSimulatedRig(t, { idle: true, ownAddresses: true, tls });
  const port = rig.fleet.agent("a").port;
  // it has the labels and is none: in another namespace, or without the labels
  const { host } = rig.fleet.agent("c");
  for (const [namespace, labels] of [
    ["other", AGENT_LABELS],
    ["tote", { "app.kubernetes.io/name": "tote" }],
  ] as const) {
    rig.server.put({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "fake", namespace, labels },
      spec: { nodeName: "c" },
      status: { phase: "Running", podIP: host, conditions: [{ type: "Ready", status: "True" }] },
    });
  }
  agentPod(rig, "b");
  agentPod(rig, "a", { ready: false });
  await rig.startController(["--agent-namespace=tote", `--agent-grpc-port=${port}`], {
    agents: [],
    tls: await pki.role(ROLES.controller),
  });
  failing(rig, "web", "a", "c");
  const status = await rig.waitForEnd("shop");
  assert.equal(status.phase, "Refused");
  assert.deepEqual(rig.fleet.agent("a").calls, [], "it is not ready");
  assert.deepEqual(rig.fleet.agent("c").calls, [], "it is no agent");

  agentPod(rig, "a");
  failing(rig, "later", "a", "c");
  await rig.waitForRunning("shop", "later");
  assert.deepEqual(rig.fleet.begun.at(-1)?.sources, ["a"]);

  rig.server.delete("pods", "tote/tote-agent-a");
  agentPod(rig, "c");
  failing(rig, "last", "a", "c");
  await rig.waitForRunning("shop", "last");
  assert.deepEqual(rig.fleet.begun.at(-1)?.sources, ["c"]);
});

test("certificates that are renewed on disk are used, those of the new authority included", async (t) => {
  const [before, after] = [await createPki("old CA"), await createPki("new CA")];
  const rig = await startSimulatedRig(t, { idle: true, tls: await before.role(ROLES.agent) });
  const certDir = join(rig.cleanup.directory(), "certs");
  await before.write(certDir, await before.role(ROLES.controller));
  const controller = await startController({
    cleanup: rig.cleanup,
    kubeconfig: rig.server.kubeconfigPath(SERVICE_ACCOUNT),
    certDir,
    agents: Object.fromEntries(rig.fleet.agents.map(({ node, url }) => [node, url])),
    args: ["--leader-elect=false"],
  });
  failing(rig, "web", "a");
  await rig.waitForRunning("shop", "web");
  const tls = await after.role(ROLES.agent);
  for (const agent of rig.fleet.agents) await agent.restart(tls);
  await after.write(certDir, await after.role(ROLES.controller));
  await waitFor("the reload", () => controller.logs().includes("certificates reloaded"), {
    timeoutMs: 30_000,
  });
  failing(rig, "later", "a");
  await rig.waitForRunning("shop", "later");
});

test("in a pod the service account is used, and its token and authority may be renewed", async (t) => {
  const rig = await startSimulatedRig(t, { idle: true, apiTls: true });
  const directory = rig.cleanup.directory();
  const rights = rig.server.kubeconfig(SERVICE_ACCOUNT);
  const token = /"token":"([^"]+)"/.exec(rights)?.[1] ?? "";
  await writeFile(join(directory, "ca.crt"), rig.server.ca ?? "");
  await writeFile(join(directory, "token"), token);
  const { hostname: host, port } = new URL(rig.server.url);
  const connection = await loadKubeConnection({ kind: "in-cluster", host, port, directory }, rig.clock);
  await rig.startController([], { connection });
  failing(rig, "web", "a");
  await rig.waitForRunning("shop", "web");

  const renewed = rig.server.addUser({ name: `${SERVICE_ACCOUNT}-renewed`, isAdmin: true });
  await writeFile(join(directory, "token"), renewed);
  // client-node looks at the file once in a minute of the day
  t.mock.timers.enable({ apis: ["Date"], now: Date.now() + 61_000 });
  rig.clock.skip(11_000);
  failing(rig, "later", "a");
  await rig.waitForRunning("shop", "later");
  const users = new Set(
    rig.server.requests.filter(({ name }) => name.startsWith("later")).map(({ user }) => user),
  );
  assert.deepEqual([...users], [`${SERVICE_ACCOUNT}-renewed`]);
});

/** A relay over HTTPS that takes events from whoever has the token. */
async function startRelay(
  cleanup: Cleanup,
  tls: { readonly cert: string; readonly key: string },
): Promise<{ readonly url: string; readonly tokens: readonly string[]; allow(token: string): void }> {
  const tokens: string[] = [];
  let allowed = "";
  const server = createServer({ cert: tls.cert, key: tls.key }, (request, response) => {
    const token = request.headers.authorization ?? "";
    request.resume().on("end", () => {
      if (token === `Bearer ${allowed}`) tokens.push(token);
      response.writeHead(token === `Bearer ${allowed}` ? 202 : 401).end();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanup.add({
    name: "close the relay",
    undo: async () => {
      server.close();
      server.closeAllConnections();
      await Promise.resolve();
    },
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the relay has no port");
  return {
    url: `https://127.0.0.1:${address.port}/v1/events`,
    tokens,
    allow(token) {
      allowed = token;
    },
  };
}

test("the relay gets its token over a connection that its authority vouches for, and both may be renewed", async (t) => {
  const cleanup = createCleanup(t);
  const pki = await createPki("relay CA");
  const relay = await startRelay(cleanup, await pki.issue(["relay"], { ips: ["127.0.0.1"] }));
  const [tokenFile, caFile] = ["relay-token", "relay-ca.crt"].map((name) => join(cleanup.directory(), name));
  assert.ok(tokenFile !== undefined && caFile !== undefined);
  const stranger = await createPki("somebody else");
  await writeFile(tokenFile, "first\n");
  await writeFile(caFile, stranger.ca.cert);
  relay.allow("first");
  const rig = await startSimulatedRig(t, {
    args: [`--webhook-url=${relay.url}`, `--webhook-token-file=${tokenFile}`, `--webhook-ca=${caFile}`],
  });
  failing(rig, "web", "a");
  await rig.waitForRunning("shop", "web");
  await waitFor("the relay's certificate to be refused", () =>
    rig.controller.logs.some((line) => /certificate|CERT|self.signed/i.test(line)),
  );
  assert.deepEqual(relay.tokens, [], "the token was shown to a stranger");
  await writeFile(caFile, pki.ca.cert);
  await told(rig, relay, 1);
  relay.allow("second");
  await writeFile(tokenFile, "second\n");
  failing(rig, "later", "a");
  await rig.waitForRunning("shop", "later");
  await waitFor("the new token to be used", () => {
    rig.clock.skip(10_000);
    return relay.tokens.includes("Bearer second");
  });
  for (const line of rig.controller.logs) assert.doesNotMatch(line, /Bearer|"first"|"second"/);
});

async function told(
  rig: SimulatedRig,
  relay: { readonly tokens: readonly string[] },
  count: number,
): Promise<void> {
  await waitFor("the relay to be told", () => {
    rig.clock.skip(10_000);
    return relay.tokens.length >= count;
  });
}
