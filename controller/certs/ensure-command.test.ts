import assert from "node:assert/strict";
import { test } from "node:test";

import { createApiServer } from "../../test/harness/apiserver/server.ts";
import { createCleanup } from "../../test/harness/cleanup.ts";
import { runEnsureCommand } from "./ensure-command.ts";

async function run(
  action: "ensure" | "remove",
  ...argv: string[]
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  let out = "";
  let err = "";
  const code = await runEnsureCommand(
    action,
    argv,
    {},
    {
      print: (text) => void (out += text),
      printError: (text) => void (err += text),
      now: () => Date.now(),
    },
  );
  return { code, out, err };
}

test("ensure makes what the flags name and says so, without a word of what is secret", async (t) => {
  const cleanup = createCleanup(t);
  const server = await createApiServer({ cleanup, tls: true });
  const where = ["--kubeconfig", server.kubeconfigPath(), "--namespace", "default", "--name", "rescue"];
  const first = await run("ensure", ...where, "--parties=controller,operator", "--instance=prod");
  assert.deepEqual([first.code, first.err], [0, ""]);
  assert.deepEqual(first.out.trim().split("\n").sort(), [
    "rescue-relay-tokens: made ingest, read, admin",
    "rescue-tls-ca: made",
    "rescue-tls-controller: made",
    "rescue-tls-operator: made",
  ]);
  const secrets = server.list("secrets", "default");
  for (const { metadata } of secrets) {
    assert.equal(metadata.labels?.["app.kubernetes.io/instance"], "prod");
  }
  const again = await run("ensure", ...where, "--parties=controller,operator");
  assert.ok(
    again.out
      .trim()
      .split("\n")
      .every((line) => line.endsWith(": good")),
  );
  server.put({
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: { name: "tote-controller", namespace: "default" },
  });
  server.put({ apiVersion: "v1", kind: "Pod", metadata: { name: "rescue-test", namespace: "default" } });
  const removed = await run("remove", ...where);
  assert.equal(removed.code, 0);
  assert.match(removed.out, /^rescue-tls-operator: removed$/m);
  assert.match(removed.out, /^rescue-tls-agent: not there$/m);
  assert.match(removed.out, /^lease tote-controller: removed$/m);
  assert.match(removed.out, /^pod rescue-test: removed$/m);
  assert.deepEqual(server.list("secrets", "default"), []);
  assert.deepEqual(server.list("leases", "default"), []);
  assert.deepEqual(server.list("pods", "default"), []);
  assert.match((await run("remove", ...where)).out, /^lease tote-controller: not there$/m);
});

test("a mistake on the command line is one line and 2, what cannot be done 1", async (t) => {
  const server = await createApiServer({ cleanup: createCleanup(t) });
  const wrong = await run("ensure", "--parties=everybody");
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /^tote certs ensure: --parties: .*\n$/);
  const outside = await run("ensure");
  assert.equal(outside.code, 1);
  assert.match(outside.err, /this is no pod of a cluster: give --namespace and --kubeconfig/);
  const nowhere = await run("ensure", "--kubeconfig", server.kubeconfigPath(), "--namespace", "gone");
  assert.equal(nowhere.code, 1);
  assert.match(nowhere.err, /namespaces "gone" not found/);
});

test("the help names every flag", async () => {
  const { code, out } = await run("ensure", "--help");
  assert.equal(code, 0);
  for (const flag of [
    "--name",
    "--agent-namespace",
    "--parties",
    "--certificates",
    "--webhook-configuration",
  ]) {
    assert.match(out, new RegExp(`^ {2}${flag} ?`, "m"));
  }
});
