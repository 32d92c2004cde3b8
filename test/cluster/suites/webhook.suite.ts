import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { Registry } from "prom-client";

import { ApiError } from "../../../controller/kube/api-error.ts";
import type { ApiClient } from "../../../controller/kube/api-client.ts";
import { NAMESPACES, OWNERS, PODS, type KubeResource } from "../../../controller/kube/resources.ts";
import { asObject, asObjects } from "../../../controller/objects/json.ts";
import { nudgePatch } from "../../../controller/recover/nudge.ts";
import { serveWebhook, type ServedWebhook } from "../../../controller/webhook/serve-webhook.ts";
import { silentLogger } from "../../../lib/log.ts";
import { find, render } from "../../chart/helm.ts";
import { createCleanup, type Cleanup } from "../../harness/cleanup.ts";
import { kubeClient } from "../../harness/kube-client.ts";
import { createPki, type Pki } from "../../harness/pki.ts";
import { CommandError } from "../../harness/run.ts";
import { waitFor } from "../../harness/wait.ts";
import { startRealApiServer, type RealApiServer } from "../real-api-server.ts";

const HOST = "127.0.0.1";
const signal = new AbortController().signal;

/** The chart's configuration with an address in place of the Service, for an API server without a pod network. */
describe("the validating webhook, asked by a real API server", () => {
  let cleanup: Cleanup;
  let server: RealApiServer;
  let api: ApiClient;
  let pki: Pki;
  let webhook: ServedWebhook;
  before(async () => {
    cleanup = createCleanup();
    server = await startRealApiServer({ cleanup, users: [] });
    ({ api } = await kubeClient({ server, cleanup }));
    pki = await createPki();
    const folder = await pki.write(join(cleanup.directory(), "tls"), await pki.issue([], { ips: [HOST] }));
    const tls = { cert: join(folder, "tls.crt"), key: join(folder, "tls.key"), ca: join(folder, "ca.crt") };
    const serving = { registry: new Registry(), logger: silentLogger };
    webhook = await serveWebhook({ listen: { host: HOST, port: 0 }, tls }, serving, signal);
    cleanup.add({ name: "close the webhook", undo: () => webhook.close() });
    await api.create(NAMESPACES, { metadata: { name: "shop" } }, { signal });
    await api.create(PODS, pod("web"), { signal });
    await askAt(webhook.port);
    await waitFor(
      "the API server to ask the webhook",
      async () => (await annotate("tote.dev/alow", "true")) === 422,
      {
        timeoutMs: 30_000,
      },
    );
  });
  after(() => cleanup.run());

  async function askAt(port: number): Promise<void> {
    const configuration = find(
      await render({ webhook: { enabled: true } }),
      "ValidatingWebhookConfiguration",
      "tote",
    );
    const caBundle = Buffer.from(pki.ca.cert).toString("base64");
    const webhooks = asObjects(configuration["webhooks"], 9).map((hook) => ({
      ...hook,
      clientConfig: { url: `https://${HOST}:${port}/validate`, caBundle },
    }));
    await server.kubectl.apply({ ...configuration, webhooks });
  }

  /** The status of the answer; 200 when it was taken. */
  async function annotate(name: string, value: string): Promise<number> {
    try {
      await api.patch(
        NAMESPACES,
        { name: "shop" },
        { metadata: { annotations: { [name]: value } } },
        { signal },
      );
      return 200;
    } catch (error) {
      if (error instanceof ApiError) return error.status;
      throw error;
    }
  }

  test("a typo is refused with the reason, what is right is taken", async () => {
    assert.equal(await annotate("tote.dev/allow", "true"), 200);
    const wrong = { metadata: { annotations: { "tote.dev/allow": "yes" } } };
    await assert.rejects(
      api.patch(NAMESPACES, { name: "shop" }, wrong, { signal }),
      /metadata\.annotations\[tote\.dev\/allow\]: "yes" is not allowed, must be "true" or "false"/,
    );
  });

  test("kubectl shows the reason", async () => {
    const line = ["annotate", "namespace", "shop", "tote.dev/prority=high"];
    await assert.rejects(server.kubectl(line), (error: unknown) => {
      return (
        error instanceof CommandError &&
        /annotations\.tote\.dev.*denied the request: metadata\.annotations\[tote\.dev\/prority\]: unknown/.test(
          error.stderr,
        )
      );
    });
  });

  test("templates of workloads are checked, and pods that pull always are warned of", async () => {
    const deployments: KubeResource = OWNERS.find(({ kind }) => kind === "Deployment") ?? PODS;
    const { spec } = pod("web");
    const metadata = { labels: { app: "web" }, annotations: { "tote.dev/priority": "urgent" } };
    const deployment = {
      metadata: { name: "web", namespace: "shop" },
      spec: { selector: { matchLabels: { app: "web" } }, template: { metadata, spec } },
    };
    await assert.rejects(
      api.create(deployments, deployment, { signal }),
      /spec\.template\.metadata\.annotations\[tote\.dev\/priority\]/,
    );
    const asking = {
      ...pod("always"),
      metadata: { ...pod("always").metadata, annotations: { "tote.dev/auto-salvage": "true" } },
    };
    const { stderr } = await server.kubectl(["apply", "-f", "-"], {
      input: JSON.stringify({ apiVersion: "v1", kind: "Pod", ...asking }),
    });
    assert.match(stderr, /Warning: .*does not help container app: imagePullPolicy Always/);
  });

  test("the nudge passes", async () => {
    const key = { namespace: "shop", name: "web" };
    const { metadata } = await api.get(PODS, key, { signal });
    const patch = nudgePatch(metadata.uid ?? "", Date.now());
    const nudged = await api.patch(PODS, key, patch, { signal, subresource: "status" });
    assert.ok(asObject(nudged.metadata.annotations)["tote.dev/salvaged-at"]);
  });

  test("a webhook that is frozen, and one that is gone, keep nobody from working", async () => {
    const sockets: Socket[] = [];
    // takes connections and never says a word, as a process that is stopped
    const frozen = createServer((socket) => void sockets.push(socket.on("error", () => undefined)));
    frozen.listen(0, HOST);
    await once(frozen, "listening");
    cleanup.add({
      name: "close the frozen webhook",
      async undo() {
        for (const socket of sockets) socket.destroy();
        await new Promise((resolve) => frozen.close(resolve));
      },
    });
    const address = frozen.address();
    assert.ok(typeof address === "object" && address !== null);
    await askAt(address.port);
    await waitFor("a typo to be let through", async () => (await annotate("tote.dev/frozen", "x")) === 200, {
      timeoutMs: 30_000,
    });
    assert.ok(sockets.length > 0, "it was asked");
    await askAt(1);
    assert.equal(await annotate("tote.dev/gone", "x"), 200);
  });
});

function pod(name: string) {
  const containers = [{ name: "app", image: "registry.test:5000/app:v1", imagePullPolicy: "Always" }];
  return { metadata: { name, namespace: "shop" }, spec: { containers } };
}
