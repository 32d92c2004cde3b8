import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { createApiServer } from "../../test/harness/apiserver/server.ts";
import { createCleanup } from "../../test/harness/cleanup.ts";
import { kubeClient } from "../../test/harness/kube-client.ts";
import { createManualClock } from "../../test/harness/manual-clock.ts";
import { createPki } from "../../test/harness/pki.ts";
import { ApiClient } from "./api-client.ts";
import { loadKubeConnection } from "./kube-config.ts";
import { NAMESPACES, NODES } from "./resources.ts";
import { systemClock } from "../../lib/clock.ts";

const NEVER = new AbortController().signal;

test("all requests and watches share their connections", async (t) => {
  const cleanup = createCleanup(t);
  const server = await createApiServer({ cleanup, tls: true });
  const { api } = await kubeClient({ server, cleanup });
  for (let n = 0; n < 30; n += 1) await api.get(NAMESPACES, { name: "default" }, { signal: NEVER });
  // a second one when a request comes before undici has put the first back
  assert.ok(server.accepted <= 2, `${server.accepted} connections`);
  const stop = new AbortController();
  const options = { signal: stop.signal, resourceVersion: "0", timeoutSeconds: 60 };
  const watch = api.watch(NAMESPACES, options);
  assert.equal((await watch.next()).done, false);
  for (let n = 0; n < 5; n += 1) await api.get(NAMESPACES, { name: "default" }, { signal: NEVER });
  assert.ok(server.accepted <= 3, `${server.accepted} connections`);
  stop.abort();
  await assert.rejects(watch.next());
});

test("a server with a certificate of somebody else is not talked to", async (t) => {
  const cleanup = createCleanup(t);
  const server = await createApiServer({ cleanup, tls: true });
  const other = await createPki("somebody else");
  const config = server
    .kubeconfig()
    .replace(Buffer.from(server.ca ?? "").toString("base64"), Buffer.from(other.ca.cert).toString("base64"));
  const path = join(cleanup.directory(), "config");
  writeFileSync(path, config);
  const { api } = await kubeClient({ server: { kubeconfigPath: () => path }, cleanup });
  await assert.rejects(api.get(NAMESPACES, { name: "default" }, { signal: NEVER }), (error: Error) => {
    assert.match(error.message, /cannot get namespaces default: Unreachable: .*certificate/);
    return true;
  });
  assert.equal(server.requests.length, 0);
});

test("in a pod the service account is used, and a token that the kubelet renewed is read", async (t) => {
  const cleanup = createCleanup(t);
  const server = await createApiServer({
    cleanup,
    tls: true,
    users: [{ name: "tote", isAdmin: true, token: "one" }],
  });
  const directory = cleanup.directory();
  writeFileSync(join(directory, "ca.crt"), server.ca ?? "");
  writeFileSync(join(directory, "token"), "one\n");
  const { hostname: host, port } = new URL(server.url);
  const clock = createManualClock();
  const connection = await loadKubeConnection({ kind: "in-cluster", host, port, directory }, clock);
  cleanup.add({ name: "close the connection", undo: () => connection.close() });
  assert.equal(connection.server, server.url);
  const first = await connection.credentials(NEVER);
  assert.equal(first.headers["Authorization"], "Bearer one");
  assert.equal(await connection.credentials(NEVER), first, "files are not read for each request");
  const api = new ApiClient({ connection, clock: systemClock, random: () => 0, userAgent: "test" });
  await api.get(NAMESPACES, { name: "default" }, { signal: NEVER });
  assert.equal(server.requests.at(-1)?.user, "tote");

  connection.refresh();
  const same = await connection.credentials(NEVER);
  assert.equal(same.dispatcher, first.dispatcher, "connections outlive the credentials");

  const renewed = await createPki("renewed CA");
  writeFileSync(join(directory, "ca.crt"), renewed.ca.cert);
  connection.refresh();
  const second = await connection.credentials(NEVER);
  assert.notEqual(second.dispatcher, first.dispatcher, "another authority needs other connections");
});

test("a token that is refused is asked for again once", async (t) => {
  const cleanup = createCleanup(t);
  const server = await createApiServer({ cleanup });
  server.faults.add({ kind: "status", status: 401, times: 1 });
  const { api } = await kubeClient({ server, cleanup });
  assert.equal((await api.get(NAMESPACES, { name: "default" }, { signal: NEVER })).metadata.name, "default");
  server.faults.add({ kind: "status", status: 401 });
  await assert.rejects(api.get(NAMESPACES, { name: "default" }, { signal: NEVER }), /401 Unauthorized/);
  assert.equal(server.requests.length, 4);
});

test("what is wrong with a kubeconfig is said with its name", async (t) => {
  const cleanup = createCleanup(t);
  const path = join(cleanup.directory(), "config");
  const load = (): Promise<unknown> => loadKubeConnection({ kind: "file", path }, systemClock);
  await assert.rejects(load(), /cannot load the kubeconfig .*config: ENOENT/);
  writeFileSync(path, "{ not yaml");
  await assert.rejects(load(), /cannot load the kubeconfig .*config: /);
  writeFileSync(path, JSON.stringify({ apiVersion: "v1", kind: "Config" }));
  await assert.rejects(
    load(),
    /cannot use the kubeconfig .*config: it has no context "", set current-context/,
  );
  const context = { name: "x", context: { cluster: "none", user: "u" } };
  writeFileSync(path, JSON.stringify({ contexts: [context], "current-context": "x" }));
  await assert.rejects(load(), /context "x" leads to the server "", which is no URL/);
});

test("another context than the current one can be chosen", async (t) => {
  const cleanup = createCleanup(t);
  const path = join(cleanup.directory(), "config");
  writeFileSync(
    path,
    JSON.stringify({
      clusters: ["a", "b"].map((name) => ({ name, cluster: { server: `https://${name}.test:6443/` } })),
      users: [{ name: "u", user: { token: "t" } }],
      contexts: ["a", "b"].map((name) => ({ name, context: { cluster: name, user: "u" } })),
      "current-context": "a",
    }),
  );
  const load = { kind: "file", path } as const;
  assert.equal((await loadKubeConnection(load, systemClock)).server, "https://a.test:6443");
  assert.equal(
    (await loadKubeConnection({ ...load, context: "b" }, systemClock)).server,
    "https://b.test:6443",
  );
});

test("no secret is part of an error", async (t) => {
  const cleanup = createCleanup(t);
  const server = await createApiServer({ cleanup, users: [{ name: "u", token: "s3cr3t-token" }] });
  const { api } = await kubeClient({ server, cleanup, user: "u" });
  const errors: unknown[] = [];
  const failing = async (): Promise<void> => {
    errors.push(
      await api.get(NODES, { name: "a" }, { signal: NEVER, timeoutMs: 500 }).catch((error: unknown) => error),
    );
  };
  await failing();
  for (const kind of ["hang", "reset"] as const) {
    server.faults.add({ kind, resource: "nodes" });
    await failing();
    server.faults.clear();
  }
  await server.close();
  await failing();
  assert.equal(errors.length, 4);
  for (const error of errors) {
    assert.ok(error instanceof Error);
    const shown = [error.message, error.stack, JSON.stringify(error), String(error.cause)].join(" ");
    assert.ok(!shown.includes("s3cr3t"), shown);
  }
});
