import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";

import { createApiServer } from "../../test/harness/apiserver/server.ts";
import type { ApiServer } from "../../test/harness/apiserver/types.ts";
import { createCleanup } from "../../test/harness/cleanup.ts";
import { kubeClient } from "../../test/harness/kube-client.ts";
import { pod } from "../testing/reflector-rig.ts";
import type { ApiClient } from "./api-client.ts";
import { isTransient } from "./api-error.ts";
import { PODS } from "./resources.ts";

const { signal } = new AbortController();

describe("watches of the API client", () => {
  const cleanup = createCleanup();
  let server: ApiServer;
  let api: ApiClient;
  before(async () => {
    server = await createApiServer({ cleanup });
    ({ api } = await kubeClient({ server, cleanup }));
  });
  beforeEach(() => {
    server.faults.clear();
    for (const { metadata } of server.list("pods")) server.delete("pods", `shop/${metadata.name}`);
  });
  after(() => cleanup.run());

  test("watches from where a list ended, with bookmarks", async () => {
    server.put(pod("web"));
    const from = String(server.resourceVersion);
    server.put(pod("web", "Running"));
    server.delete("pods", "shop/web");
    const watch = api.watch(PODS, { signal, resourceVersion: from, timeoutSeconds: 1 });
    const events = await Array.fromAsync(watch);
    assert.deepEqual(
      events.map(({ type }) => type),
      ["MODIFIED", "DELETED", "BOOKMARK"],
    );
    assert.equal(server.watches, 0);
  });

  test("whoever stops reading a watch ends it on the server too", async () => {
    server.put(pod("web"));
    const watch = api.watch(PODS, { signal, resourceVersion: "0", timeoutSeconds: 100 });
    await watch.next();
    assert.equal(server.watches, 1);
    await watch.return();
    const closed = Date.now() + 2000;
    while (server.watches > 0 && Date.now() < closed) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(server.watches, 0);
  });

  test("a watch that is cut off says that the server cannot be reached", async () => {
    const watch = api.watch(PODS, { signal, resourceVersion: "0", timeoutSeconds: 100 });
    const next = watch.next();
    while (server.watches === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    server.faults.dropWatches();
    await assert.rejects(next, (error) => isTransient(error));
  });
});
