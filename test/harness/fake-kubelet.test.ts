import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";

import type { ApiClient } from "../../controller/kube/api-client.ts";
import { PODS } from "../../controller/kube/resources.ts";
import { asJson, asList, asText, fieldAt, type Json } from "./apiserver/json.ts";
import { createApiServer } from "./apiserver/server.ts";
import type { ApiServer } from "./apiserver/types.ts";
import { createCleanup } from "./cleanup.ts";
import { startContainerd, type ContainerdNode } from "./containerd-node.ts";
import { removeImage } from "./cri.ts";
import { startFakeKubelet, type FakeKubelet, type FakeKubeletOptions } from "./fake-kubelet.ts";
import { buildImage, type BuiltImage } from "./image-builder.ts";
import { kubeClient } from "./kube-client.ts";
import { loadImage } from "./load-image.ts";
import { startRegistry, type Registry } from "./registry.ts";
import { waitFor } from "./wait.ts";

const HOST = "registry.test:5000";
const { signal } = new AbortController();

describe("a kubelet without containers", () => {
  const cleanup = createCleanup();
  let server: ApiServer;
  let api: ApiClient;
  let node: ContainerdNode;
  let registry: Registry;
  let kubelet: FakeKubelet | undefined;
  let count = 0;

  before(async () => {
    server = await createApiServer({ cleanup });
    ({ api } = await kubeClient({ server, cleanup }));
    server.put({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
    node = await startContainerd({ name: "n1", cleanup });
    registry = await startRegistry({ cleanup });
    await registry.attach(node, HOST);
  });
  beforeEach(async () => {
    await kubelet?.stop();
    kubelet = undefined;
    registry.heal();
    for (const { metadata } of server.list("pods")) server.delete("pods", `shop/${metadata.name}`);
  });
  after(() => cleanup.run());

  async function start(options: Partial<FakeKubeletOptions> = {}): Promise<FakeKubelet> {
    kubelet = await startFakeKubelet({ api, cleanup, containerd: node, ...options });
    return kubelet;
  }

  /** An image that no other test has, and the name that pods use. */
  async function image(): Promise<{ readonly built: BuiltImage; readonly name: string }> {
    count += 1;
    const built = await buildImage({ layers: [{ files: { "etc/title": `image ${count}` } }] });
    return { built, name: `${HOST}/app${count}:v1` };
  }

  /** Makes a pod on the node, by the API as a scheduler would. */
  async function pod(name: string, containers: readonly object[], more: object = {}): Promise<string> {
    const object = { metadata: { name, namespace: "shop" }, spec: { nodeName: "n1", containers, ...more } };
    const made = await api.create(PODS, object, { signal });
    return made.metadata.uid ?? "";
  }

  function statuses(name: string, list = "containerStatuses"): readonly Json[] {
    return asList(fieldAt(server.get("pods", `shop/${name}`), `status.${list}`)).map(asJson);
  }

  function waiting(name: string, list?: string): { readonly reason: string; readonly message: string } {
    const found = asJson(asJson(statuses(name, list)[0]?.["state"])["waiting"]);
    return { reason: asText(found["reason"]), message: asText(found["message"]) };
  }

  const phase = (name: string): string => asText(fieldAt(server.get("pods", `shop/${name}`), "status.phase"));
  const running = (name: string): Promise<unknown> =>
    waitFor(`${name} to run`, () => phase(name) === "Running");
  const reason = (name: string, wanted: string, list?: string): Promise<unknown> =>
    waitFor(`${name} to wait for ${wanted}`, () => waiting(name, list).reason === wanted, { intervalMs: 5 });

  test("pulls an image from its registry, and reports the digest that containerd has", async () => {
    const { built, name } = await image();
    await registry.add(name.slice(HOST.length + 1), built);
    await start();
    await pod("web", [{ name: "c", image: name }]);
    await running("web");
    const [status] = statuses("web");
    assert.equal(status?.["imageID"], `${name.replace(":v1", "")}@${built.descriptor.digest}`);
    assert.equal(status?.["image"], name);
    assert.equal(status?.["ready"], true);
    assert.deepEqual(kubelet?.pulls, [{ image: name, error: "" }]);
  });

  test("says what containerd says when a pull fails, backs off, and runs once the image has come another way", async () => {
    const { built, name } = await image();
    const { pulls } = await start({ timeScale: 0.05 });
    await pod("web", [{ name: "c", image: name }]);
    await reason("web", "ErrImagePull");
    assert.equal(
      waiting("web").message,
      `rpc error: code = NotFound desc = failed to pull and unpack image "${name}": failed to resolve reference "${name}": ${name}: not found`,
    );
    assert.equal(statuses("web")[0]?.["imageID"], "");
    await reason("web", "ImagePullBackOff");
    assert.equal(waiting("web").message, `Back-off pulling image "${name}"`);
    assert.ok(pulls.length <= 2);
    await loadImage(node, built, { names: [name] });
    await running("web");
    assert.equal(fieldAt(statuses("web")[0], "state.waiting"), undefined);
  });

  test("newer ones quote the cause in the back-off", async () => {
    const { name } = await image();
    await start({ timeScale: 0.05, backOffQuotesCause: true });
    await pod("web", [{ name: "c", image: name }]);
    await reason("web", "ImagePullBackOff");
    assert.match(
      waiting("web").message,
      /^Back-off pulling image ".*": ErrImagePull: rpc error: code = NotFound desc = /,
    );
  });

  test("a pull that cannot reach or may not use the registry fails in containerd's words", async () => {
    const { name } = await image();
    await start();
    registry.fault("v1", { kind: "status", status: 401 });
    await pod("refused", [{ name: "c", image: name }]);
    await reason("refused", "ErrImagePull");
    assert.match(waiting("refused").message, /^rpc error: code = Unknown desc = .*401 Unauthorized/);
    const away = "127.0.0.1:1/app:v1";
    await pod("away", [{ name: "c", image: away }]);
    await reason("away", "ErrImagePull");
    assert.match(waiting("away").message, /dial tcp 127.0.0.1:1: connect: connection refused$/);
  });

  test("back-off doubles with each failed pull, and other pods have their own", async () => {
    const { name } = await image();
    const { pulls } = await start({
      timeScale: 1,
      times: { backOffMs: 400, maxBackOffMs: 60_000, failedSyncMs: 5 },
    });
    const started = performance.now();
    await pod("web", [{ name: "c", image: name }]);
    await waitFor("three pulls", () => pulls.length === 3, { intervalMs: 5 });
    // 400 and 800 ms lie between them
    assert.ok(performance.now() - started >= 1200);
    await pod("other", [{ name: "c", image: name }]);
    await waitFor("a pull for the other pod", () => pulls.length >= 4, { intervalMs: 5, timeoutMs: 1500 });
  });

  test("a change of an annotation is looked at at once, a change of the status is not", async () => {
    const { built, name } = await image();
    const started = await start({ timeScale: 1 });
    const uid = await pod("web", [{ name: "c", image: name }]);
    await reason("web", "ErrImagePull");
    await loadImage(node, built, { names: [name] });
    const syncs = started.syncs(uid);
    const key = { namespace: "shop", name: "web" };
    await api.patch(
      PODS,
      key,
      { status: { message: "nothing for the kubelet" } },
      { signal, subresource: "status" },
    );
    await new Promise((resolve) => setTimeout(resolve, 150));
    assert.equal(started.syncs(uid), syncs);
    assert.equal(phase("web"), "Pending");
    const at = performance.now();
    await api.patch(
      PODS,
      key,
      { metadata: { annotations: { "tote.dev/salvaged-at": "now" } } },
      { signal, subresource: "status" },
    );
    await running("web");
    assert.ok(performance.now() - at < 3000);
  });

  test("imagePullPolicy is honoured", async () => {
    const { built, name } = await image();
    const { pulls } = await start();
    await pod("never", [{ name: "c", image: name, imagePullPolicy: "Never" }]);
    await reason("never", "ErrImageNeverPull");
    assert.equal(
      waiting("never").message,
      `Container image "${name}" is not present with pull policy of Never`,
    );
    await loadImage(node, built, { names: [name] });
    await running("never");
    assert.deepEqual(pulls, []);
    await pod("always", [{ name: "c", image: name, imagePullPolicy: "Always" }]);
    await reason("always", "ErrImagePull");
    await pod("present", [{ name: "c", image: name, imagePullPolicy: "IfNotPresent" }]);
    await running("present");
    assert.ok(pulls.every(({ image: pulled, error }) => pulled === name && error !== ""));
  });

  test("containers wait for init containers, ephemeral ones wait for nobody, and main ones not for each other", async () => {
    const [first, second, third] = [await image(), await image(), await image()];
    await loadImage(node, third.built, { names: [third.name] });
    await start();
    await pod(
      "web",
      [
        { name: "a", image: third.name },
        { name: "b", image: second.name },
      ],
      {
        initContainers: [{ name: "i", image: first.name }],
        ephemeralContainers: [{ name: "e", image: third.name }],
      },
    );
    await reason("web", "ErrImagePull", "initContainerStatuses");
    assert.equal(waiting("web").reason, "PodInitializing");
    assert.ok(fieldAt(statuses("web", "ephemeralContainerStatuses")[0], "state.running"));
    await loadImage(node, first.built, { names: [first.name] });
    await waitFor(
      "the init container",
      () => fieldAt(statuses("web", "initContainerStatuses")[0], "state.terminated") !== undefined,
    );
    await waitFor("container a", () => fieldAt(statuses("web")[0], "state.running") !== undefined);
    await waitFor(
      "container b to fail",
      () => fieldAt(statuses("web")[1], "state.waiting.message") !== undefined,
    );
    assert.equal(phase("web"), "Running");
    await loadImage(node, second.built, { names: [second.name] });
    await waitFor("container b", () => fieldAt(statuses("web")[1], "state.running") !== undefined);
  });

  test("names that are none are not pulled", async () => {
    const { pulls } = await start();
    await pod("bad", [{ name: "c", image: `${HOST}/App_UPPER:v1` }]);
    await reason("bad", "InvalidImageName");
    assert.equal(
      waiting("bad").message,
      `Failed to apply default image tag "${HOST}/App_UPPER:v1": couldn't parse image reference "${HOST}/App_UPPER:v1": invalid reference format: repository name must be lowercase`,
    );
    assert.deepEqual(pulls, []);
  });

  test("an image whose content is gone runs nothing, in containerd's words", async () => {
    const { built, name } = await image();
    const layer = built.layers[0]?.digest ?? "";
    await loadImage(node, built, { names: [name], unpack: false, without: [layer] });
    await start({ checksContent: true });
    await pod("web", [{ name: "c", image: name }]);
    await reason("web", "CreateContainerError");
    assert.match(
      waiting("web").message,
      new RegExp(
        `^failed to create containerd container: error unpacking image: failed to extract layer sha256:[0-9a-f]{64}: failed to get reader from content store: content digest ${layer}: not found$`,
      ),
    );
    await removeImage(node, name);
    await registry.add(name.slice(HOST.length + 1), built);
    await running("web");
  });

  test("the Node says what containerd has, and whether it is ready", async () => {
    const { built, name } = await image();
    const publishing = await start({ labels: { "topology.kubernetes.io/zone": "z1" } });
    const status = (): Json => asJson(server.get("nodes", "n1")?.["status"]);
    const ready = (): unknown => asJson(asList(status()["conditions"])[0])["status"];
    assert.equal(ready(), "True");
    assert.equal(server.get("nodes", "n1")?.metadata.labels?.["topology.kubernetes.io/zone"], "z1");
    assert.match(asText(asJson(status()["nodeInfo"])["containerRuntimeVersion"]), /^containerd:\/\/\d/);
    await loadImage(node, built, { names: [name] });
    await waitFor("the image in the status", () => JSON.stringify(status()["images"]).includes(name));
    await removeImage(node, name);
    await waitFor("the image to be gone", () => !JSON.stringify(status()["images"]).includes(name));
    await publishing.setReady(false);
    assert.equal(ready(), "False");
  });

  test("a pod that is deleted goes, and one made again under its name begins anew", async () => {
    const { name } = await image();
    await start();
    const uid = await pod("web", [{ name: "c", image: name }]);
    await reason("web", "ErrImagePull");
    await api.delete(PODS, { namespace: "shop", name: "web" }, { signal });
    await waitFor("the pod to be gone", () => server.get("pods", "shop/web") === undefined);
    const again = await pod("web", [{ name: "c", image: name }]);
    assert.notEqual(again, uid);
    await reason("web", "ErrImagePull");
    await waitFor("the old pod to be forgotten", () => kubelet?.syncs(uid) === 0);
  });

  test("it goes on after the API server was away", async () => {
    const { built, name } = await image();
    await start();
    await pod("web", [{ name: "c", image: name }]);
    await reason("web", "ErrImagePull");
    await server.restart({ history: "lost", downMs: 300 });
    await loadImage(node, built, { names: [name] });
    await running("web");
    await pod("later", [{ name: "c", image: name }]);
    await running("later");
  });
});
