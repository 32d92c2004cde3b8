import assert from "node:assert/strict";
import { execPath } from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { createApiServer } from "../../test/harness/apiserver/server.ts";
import { createCleanup } from "../../test/harness/cleanup.ts";
import { run } from "../../test/harness/run.ts";

test("ensure waits for an API server that has no time, with nothing else to do meanwhile", async (t) => {
  const server = await createApiServer({ cleanup: createCleanup(t), tls: true });
  server.faults.add({ kind: "status", status: 429, retryAfterSeconds: 1, times: 1, verb: "create" });
  const tote = fileURLToPath(new URL("../../tote.ts", import.meta.url));
  const flags = ["--kubeconfig", server.kubeconfigPath(), "--namespace", "default", "--name", "rescue"];
  const { stdout } = await run(execPath, [tote, "certs", "ensure", ...flags, "--parties=operator"]);
  assert.match(stdout, /^rescue-tls-operator: made$/m);
});
