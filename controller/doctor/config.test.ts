import assert from "node:assert/strict";
import { test } from "node:test";

import { readDoctorConfig, type DoctorConfig } from "./config.ts";

const nothing = (): boolean => false;

function config(argv: readonly string[], env = {}, exists = nothing): DoctorConfig {
  const parsed = readDoctorConfig(argv, env, exists);
  assert.equal(parsed.kind, "config", parsed.kind === "error" ? parsed.message : "");
  return parsed.config;
}

function mistake(argv: readonly string[], env = {}): string {
  const parsed = readDoctorConfig(argv, env, nothing);
  assert.equal(parsed.kind, "error");
  return parsed.message;
}

test("agents are looked for beside the controller unless told otherwise", () => {
  const argv = ["--kubeconfig", "k"];
  assert.equal(config(argv).agentNamespace, "tote-system");
  assert.equal(config([...argv, "--namespace", "rescue"]).agentNamespace, "rescue");
  assert.equal(config([...argv, "--agent-namespace", "agents"]).namespace, "tote-system");
});

test("the cluster is found as kubectl finds it", () => {
  const env = { HOME: "/home/ada", KUBERNETES_SERVICE_HOST: "10.0.0.1", KUBERNETES_SERVICE_PORT: "443" };
  const there = (): boolean => true;
  assert.deepEqual(config(["--kubeconfig", "k", "--context", "c"], env, there).kube, {
    kind: "file",
    path: "k",
    context: "c",
  });
  assert.deepEqual(config([], { ...env, KUBECONFIG: "/k" }, there).kube, { kind: "file", path: "/k" });
  assert.deepEqual(config([], env, there).kube, { kind: "file", path: "/home/ada/.kube/config" });
  assert.deepEqual(config([], env).kube, { kind: "in-cluster", host: "10.0.0.1", port: "443" });
  assert.match(
    mistake([], { HOME: "/home/ada" }),
    /^--kubeconfig: is required: there is no \/home\/ada\/\.kube\/config/,
  );
  assert.match(mistake([], { KUBECONFIG: "/a:/b" }), /^KUBECONFIG: names 2 files/);
});

test("half of a certificate, and one beside --insecure, are mistakes", () => {
  const argv = ["--kubeconfig", "k", "--tls-cert", "c"];
  assert.match(mistake(argv), /given together or not at all/);
  assert.match(mistake([...argv, "--insecure"]), /^--insecure: excludes/);
  const all = [...argv, "--tls-key", "key", "--tls-ca", "ca"];
  assert.deepEqual(config(all).tls, { cert: "c", key: "key", ca: "ca" });
});

test("the controller's URL is http or https, without a slash at its end", () => {
  const argv = ["--kubeconfig", "k", "--controller-url"];
  assert.equal(config([...argv, "http://127.0.0.1:8081/"]).controllerUrl, "http://127.0.0.1:8081");
  assert.match(mistake([...argv, "127.0.0.1:8081"]), /^--controller-url: "127\.0\.0\.1:8081" is not allowed/);
});
