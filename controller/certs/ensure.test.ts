import assert from "node:assert/strict";
import { randomBytes, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, suite, test } from "node:test";

import { parse } from "yaml";

import { parseCertificates } from "../../lib/pem.ts";
import { roleOfCertificate } from "../../lib/roles.ts";
import { checkTlsMaterial } from "../../lib/tls.ts";
import { createApiServer } from "../../test/harness/apiserver/server.ts";
import type { ApiServer, PolicyRule } from "../../test/harness/apiserver/types.ts";
import { createCleanup, type Cleanup } from "../../test/harness/cleanup.ts";
import { kubeClient } from "../../test/harness/kube-client.ts";
import { asObject, asObjects, asText } from "../objects/json.ts";
import { ensureSecrets, removeSecrets, type Party } from "./ensure.ts";
import { DAY_MS, OVERLAP_MS } from "./limits.ts";
import { SecretStore } from "./secret-store.ts";
import { writeWebhookBundle } from "./webhook-bundle.ts";

const NAMESPACE = "tote-system";
const AGENTS = "tote-agents";
const START = Date.parse("2026-01-31T12:00:00Z");
const USER = "system:serviceaccount:tote-system:tote-certs";
const REMOVER = "system:serviceaccount:tote-system:tote-certs-remove";
const PARTIES: readonly Party[] = ["controller", "agent", "relay", "webhook"];
const SIGNAL = new AbortController().signal;

function rules(file: string): readonly PolicyRule[] {
  const found: readonly PolicyRule[] = parse(
    readFileSync(new URL(`../../charts/tote/files/${file}`, import.meta.url), "utf8"),
  );
  return found;
}

void suite("tote certs ensure", () => {
  let server: ApiServer;
  let cleanup: Cleanup;

  afterEach(() => cleanup.run());
  beforeEach(async () => {
    cleanup = createCleanup();
    server = await createApiServer({
      cleanup,
      users: [
        {
          name: USER,
          rules: { [NAMESPACE]: rules("certs-role.yaml"), [AGENTS]: rules("certs-agent-role.yaml") },
          clusterRules: rules("certs-cluster-role.yaml"),
        },
        {
          name: REMOVER,
          rules: { [NAMESPACE]: rules("remove-role.yaml"), [AGENTS]: rules("remove-agent-role.yaml") },
        },
      ],
    });
    for (const name of [NAMESPACE, AGENTS]) {
      server.put({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
    }
  });

  async function store(namespace = NAMESPACE, user = USER): Promise<SecretStore> {
    const { api } = await kubeClient({ server, cleanup, user });
    return new SecretStore({ api, namespace, labels: {}, signal: SIGNAL });
  }

  async function ensure(
    now = START,
    { parties = PARTIES, agentNamespace = NAMESPACE } = {},
  ): Promise<readonly string[]> {
    const said: string[] = [];
    const say = (line: string): void => void said.push(line);
    const wanted = { name: "tote", namespace: NAMESPACE, parties, days: 90, tokens: true };
    const stores = { store: await store(), agentStore: await store(agentNamespace) };
    await ensureSecrets({ ...wanted, ...stores, now: () => now, randomBytes, say });
    return said;
  }

  function data(name: string): Readonly<Record<string, string>> {
    const entries = Object.entries(asObject(server.get("secrets", `${NAMESPACE}/${name}`)?.["data"]));
    return Object.fromEntries(
      entries.map(([key, value]) => [key, Buffer.from(asText(value), "base64").toString()]),
    );
  }

  function leaf(party: Party): X509Certificate {
    return new X509Certificate(data(`tote-tls-${party}`)["tls.crt"] ?? "");
  }

  function trusts(bundle: string, certificate: X509Certificate): boolean {
    return parseCertificates(bundle, "bundle").some((ca) => certificate.verify(ca.publicKey));
  }

  void test("the first run makes everything, the second one changes nothing", async () => {
    assert.equal((await ensure()).length, 6);
    const before = server.list("secrets", NAMESPACE);
    const said = await ensure(START + DAY_MS);
    assert.ok(
      said.every((line) => line.endsWith(": good")),
      said.join("\n"),
    );
    assert.deepEqual(server.list("secrets", NAMESPACE), before);
    assert.ok(!server.requests.some(({ status }) => status === 403));
  });

  void test("each party has its own role, the webhook none, the relay the names of its Service", async () => {
    await ensure();
    for (const party of ["controller", "agent", "relay"] as const) {
      assert.equal(roleOfCertificate(leaf(party)), `tote-${party}`);
    }
    assert.throws(() => roleOfCertificate(leaf("webhook")), /no role/);
    assert.equal(leaf("webhook").checkHost(`tote-webhook.${NAMESPACE}.svc`), `tote-webhook.${NAMESPACE}.svc`);
    assert.equal(leaf("relay").checkHost(`tote-relay.${NAMESPACE}.svc`), `tote-relay.${NAMESPACE}.svc`);
    for (const party of PARTIES) {
      const { "tls.crt": cert = "", "tls.key": key = "", "ca.crt": ca = "" } = data(`tote-tls-${party}`);
      checkTlsMaterial({ cert, key, ca }, { cert: "cert", key: "key", ca: "ca" });
      assert.ok(trusts(ca, leaf(party)));
    }
    assert.equal(server.get("secrets", `${NAMESPACE}/tote-tls-operator`), undefined);
    const tokens = data("tote-relay-tokens");
    assert.deepEqual(Object.keys(tokens).sort(), ["admin", "ingest", "read"]);
    assert.equal(new Set(Object.values(tokens)).size, 3);
  });

  void test("certificates are renewed below a third of their life, tokens and the CA stay", async () => {
    await ensure();
    const [ca, tokens, old] = [data("tote-tls-ca"), data("tote-relay-tokens"), leaf("agent").serialNumber];
    await ensure(START + 59 * DAY_MS);
    assert.equal(leaf("agent").serialNumber, old);
    const said = await ensure(START + 61 * DAY_MS);
    assert.ok(said.includes("tote-tls-agent: renewed, less than a third of its life was left"));
    assert.notEqual(leaf("agent").serialNumber, old);
    assert.deepEqual([data("tote-tls-ca"), data("tote-relay-tokens")], [ca, tokens]);
  });

  void test("a new CA is trusted by all before it signs, and the old one after", async () => {
    await ensure();
    const announced = START + 2500 * DAY_MS;
    await ensure(announced - DAY_MS - 100 * DAY_MS);
    const old = new X509Certificate(data("tote-tls-ca")["tls.crt"] ?? "");
    await ensure(announced);
    assert.equal(parseCertificates(data("tote-tls-agent")["ca.crt"] ?? "", "ca.crt").length, 2);
    assert.ok(leaf("agent").verify(old.publicKey), "the old CA still signs");
    const between = { agent: leaf("agent"), bundle: data("tote-tls-agent")["ca.crt"] ?? "" };

    await ensure(announced + OVERLAP_MS - 1000);
    assert.equal(leaf("agent").serialNumber, between.agent.serialNumber, "not before everybody knows");

    const said = await ensure(announced + OVERLAP_MS + 1000);
    assert.ok(said.includes("tote-tls-ca: its successor signs from now on"), said.join("\n"));
    assert.ok(!leaf("agent").verify(old.publicKey));
    const after = { agent: leaf("agent"), bundle: data("tote-tls-agent")["ca.crt"] ?? "" };
    assert.ok(trusts(between.bundle, after.agent), "who has not read the new Secret yet trusts who has");
    assert.ok(trusts(after.bundle, between.agent), "and the other way round");
  });

  void test("agents in a namespace of their own have their Secret there, and no other", async () => {
    await ensure(START, { parties: PARTIES, agentNamespace: AGENTS });
    const names = (namespace: string) =>
      server.list("secrets", namespace).map(({ metadata }) => metadata.name);
    assert.deepEqual(names(AGENTS), ["tote-tls-agent"]);
    assert.ok(!names(NAMESPACE).includes("tote-tls-agent"));
  });

  void test("without parties only tokens are made", async () => {
    await ensure(START, { parties: [], agentNamespace: NAMESPACE });
    assert.deepEqual(
      server.list("secrets", NAMESPACE).map(({ metadata }) => metadata.name),
      ["tote-relay-tokens"],
    );
  });

  void test("two runs at once agree on one CA", async () => {
    await Promise.all([ensure(), ensure()]);
    const { "ca.crt": bundle = "" } = data("tote-tls-ca");
    for (const party of PARTIES) assert.ok(trusts(bundle, leaf(party)), party);
  });

  void test("a run that another one is always a step ahead of comes to its end", async () => {
    const { api } = await kubeClient({ server, cleanup, user: USER });
    /** Each Secret is there already when it is to be made. */
    class Outrun extends SecretStore {
      override async write(...args: Parameters<SecretStore["write"]>): Promise<void> {
        await super.write(...args);
        const [, , old] = args;
        if (old === undefined) await super.write(...args);
      }
    }
    const outrun = new Outrun({ api, namespace: NAMESPACE, labels: {}, signal: SIGNAL });
    const parties: readonly Party[] = [...PARTIES, "operator"];
    const wanted = { name: "tote", namespace: NAMESPACE, parties, days: 90, tokens: true, randomBytes };
    const stores = { store: outrun, agentStore: outrun };
    await ensureSecrets({ ...wanted, ...stores, now: () => START, say: () => undefined });
    assert.equal(server.list("secrets", NAMESPACE).length, 7);
    assert.equal(server.requests.filter(({ status }) => status === 409).length, 7);
  });

  void test("a Secret that somebody else made is left alone, and said", async () => {
    server.put({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "tote-tls-agent", namespace: NAMESPACE },
      data: { "tls.crt": "bWluZQ==" },
    });
    await assert.rejects(
      ensure(),
      /secret tote-system\/tote-tls-agent was not made by tote.*tls\.secretNames/,
    );
    assert.equal(data("tote-tls-agent")["tls.crt"], "mine");
  });

  void test("a CA that cannot be read is not replaced", async () => {
    await ensure();
    const secret = server.get("secrets", `${NAMESPACE}/tote-tls-ca`);
    assert.ok(secret !== undefined);
    server.put({ ...secret, data: { ...asObject(secret["data"]), "tls.key": "" } });
    await assert.rejects(ensure(), /tote-tls-ca holds no CA that can be used/);
  });

  async function remove(agentNamespace = NAMESPACE): Promise<readonly string[]> {
    const said: string[] = [];
    await removeSecrets({
      store: await store(NAMESPACE, REMOVER),
      agentStore: await store(agentNamespace, REMOVER),
      name: "tote",
      say: (line) => void said.push(line),
    });
    return said;
  }

  void test("removing takes every Secret that was made and no other", async () => {
    await ensure(START, { parties: PARTIES, agentNamespace: AGENTS });
    const kept = { apiVersion: "v1", kind: "Secret", metadata: { name: "mine", namespace: NAMESPACE } };
    server.put(kept);
    await remove(AGENTS);
    assert.deepEqual(
      server.list("secrets", NAMESPACE).map(({ metadata }) => metadata.name),
      ["mine"],
    );
    assert.deepEqual(server.list("secrets", AGENTS), []);
    assert.ok(!server.requests.some(({ status }) => status === 403));
  });

  void test("removing leaves what cert-manager has made under the same names, and goes on", async () => {
    await ensure();
    const foreign = { name: "tote-tls-controller", namespace: NAMESPACE };
    server.put({ apiVersion: "v1", kind: "Secret", metadata: foreign, data: { "tls.crt": "bWluZQ==" } });
    const said = await remove();
    assert.ok(said.includes("tote-tls-controller: not ours"), said.join("\n"));
    assert.ok(said.includes("tote-relay-tokens: removed"), said.join("\n"));
    assert.deepEqual(
      server.list("secrets", NAMESPACE).map(({ metadata }) => metadata.name),
      ["tote-tls-controller"],
    );
  });

  void test("the CA goes into the webhook's configuration when that is there", async () => {
    const { api } = await kubeClient({ server, cleanup, user: USER });
    assert.equal(await writeWebhookBundle(api, "tote", "PEM", SIGNAL), "not there yet");
    server.put({
      apiVersion: "admissionregistration.k8s.io/v1",
      kind: "ValidatingWebhookConfiguration",
      metadata: { name: "tote" },
      webhooks: [{ name: "annotations.tote.dev", clientConfig: { service: { name: "tote-webhook" } } }],
    });
    assert.equal(await writeWebhookBundle(api, "tote", "PEM", SIGNAL), "written");
    assert.equal(await writeWebhookBundle(api, "tote", "PEM", SIGNAL), "good");
    const [hook] = asObjects(server.get("validatingwebhookconfigurations", "tote")?.["webhooks"], 1);
    assert.deepEqual(hook?.["clientConfig"], {
      service: { name: "tote-webhook" },
      caBundle: Buffer.from("PEM").toString("base64"),
    });
    assert.ok(!server.requests.some(({ status }) => status === 403));
  });
});
