import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

import { ROLES } from "../../lib/roles.ts";
import { createCleanup } from "../harness/cleanup.ts";
import { createPki } from "../harness/pki.ts";
import { waitFor } from "../harness/wait.ts";
import { SERVICE_ACCOUNT, startCluster } from "./cluster.ts";
import { startController } from "./controller-process.ts";

test("a controller ends within --shutdown-timeout, also when the API server does not let go of it", async (t) => {
  const cleanup = createCleanup(t);
  const { server, controllerKubeconfig } = await startCluster(cleanup);
  server.put({ apiVersion: "v1", kind: "Namespace", metadata: { name: "tote" } });
  const pki = await createPki();
  const certDir = join(cleanup.directory(), "certs");
  await pki.write(certDir, await pki.role(ROLES.controller));
  const controller = await startController({
    cleanup,
    certDir,
    kubeconfig: controllerKubeconfig,
    agents: { a: "https://127.0.0.1:1" },
    args: ["--shutdown-timeout=1s"],
  });
  await waitFor("it to lead", () =>
    server.requests.some(({ verb, resource, status }) => {
      return verb === "create" && resource === "leases" && status === 201;
    }),
  );
  // the Lease is given back at the end
  server.faults.add({ kind: "hang", resource: "leases", user: SERVICE_ACCOUNT });
  const before = performance.now();
  await controller.stop();
  const took = performance.now() - before;
  assert.match(controller.logs(), /has not ended in time/);
  assert.ok(took < 10_000, `it took ${took} ms`);
});
