import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";

import { NAMESPACE } from "../../chart/helm.ts";
import { createCleanup, type Cleanup } from "../../harness/cleanup.ts";
import { waitFor } from "../../harness/wait.ts";
import { podImage } from "../images.ts";
import { ageCertificates, allShow, CERTIFICATE_END, newestEnds, RENEWED } from "../installed-certificates.ts";
import { watchReceivedBytes } from "../installed-bytes.ts";
import { installedPods, killPod, leadership, metricOf, restartsOfAll, signalPod } from "../installed-pods.ts";
import { orphanImages } from "../installed-transfers.ts";
import { installPlainly, installWithHelm, type Installed, type PlainInstallation } from "../installed.ts";
import { clusterObjects, localObjects } from "../leftovers.ts";
import { container, deployment } from "../workloads.ts";

const patienceMs = 180_000;
const megabyte = 1_000_000;
const FIVE = [0, 1, 2, 3, 4] as const;
/** The chart as users install it: hooks run, pods of the image that `npm run image` makes, Services by name. */
describe("tote, installed with helm", () => {
  let cleanup: Cleanup;
  let installed: Installed;
  let earlier: readonly string[]; // what was in the cluster before
  let plain: PlainInstallation;
  before(async () => {
    cleanup = createCleanup();
    installed = await installWithHelm(cleanup, async (cluster) => {
      earlier = await clusterObjects(cluster.kubectl);
      plain = await installPlainly(cluster);
    });
    await installed.waitForReady();
  });
  afterEach(() => installed.assertPodsKept());
  after(() => cleanup.run());

  test("one command without a value installs it, and helm test finds nothing wrong", () => {
    assert.match(plain.notes, /^STATUS: deployed$/m);
    assert.match(plain.notes, /relay +not installed/);
    assert.deepEqual(plain.pods, { controller: 2, agent: 3, relay: 0 });
    assert.match(plain.tested, /Phase: +Succeeded/);
    assert.match(plain.tested, /"ok": true/, "the log of the pod is printed");
    assert.match(plain.rolledBack, /^secret\/tote-tls-agent$/m, "a rollback makes what is missing");
  });

  test("it says what it has installed, and nobody has asked for it yet", async () => {
    assert.match(installed.notes, /^STATUS: deployed$/m);
    assert.match(installed.notes, /daemonset\/tote-agent, one to a Linux node/);
    assert.match(installed.notes, /Nothing is opted in yet/);
    const pods = (await installed.pods(NAMESPACE)).filter(({ name }) => name !== "tote-test");
    const images = new Set(pods.flatMap(({ containers }) => containers.map(({ imageId }) => imageId)));
    assert.equal(pods.length, 6, "two controllers, three agents, a relay");
    assert.equal(images.size, 1, "one image for all");
  });

  test("two annotations, and pods run although the registry is gone; webhook and Slack are told", async () => {
    const { cluster, receivers } = installed;
    const { kubectl } = cluster;
    await cluster.registry.start();
    const namespace = await installed.namespace("shop", {});
    const image = await installed.push(await podImage(installed.title("checkout")));
    const containers = [container(image.reference)];
    await installed.apply(deployment({ name: "checkout", namespace, annotations: {}, containers }));
    await installed.waitForRunning(namespace, 1);
    await kubectl(["annotate", "namespace", namespace, "tote.dev/allow=true"]);
    const asks = ["deployment", "checkout", "tote.dev/auto-salvage=true"];
    await kubectl(["annotate", "--namespace", namespace, ...asks]);
    await cluster.registry.stop();
    await installed.scale(namespace, "deployment/checkout", 3);

    for (const { name } of await installed.waitForRunning(namespace, 3)) {
      assert.equal((await installed.logs(namespace, name)).trim(), image.output);
    }
    await waitFor(
      "two records that have recovered",
      async () =>
        (await installed.records(namespace)).filter(({ status }) =>
          (status.transitions ?? []).some(({ type }) => type === "recovered"),
        ).length === 2,
      { timeoutMs: patienceMs, intervalMs: 300 },
    );
    for (const { status } of await installed.records(namespace)) {
      assert.equal(status.phase, "Completed", status.message);
      assert.equal(status.plan?.digest, image.image.descriptor.digest);
    }
    const reasons = (await installed.events(namespace)).map(({ reason }) => reason);
    for (const reason of ["ImageSalvageable", "ImageSalvaged"])
      assert.ok(reasons.includes(reason), `${reason} is not among ${reasons.join(", ")}`);

    await waitFor("the webhook to be told", () => told(namespace).has("tote.image.recovered"), {
      timeoutMs: patienceMs,
    });
    for (const type of ["detected", "salvaged", "recovered"])
      assert.ok(told(namespace).has(`tote.image.${type}`), type);
    assert.equal(receivers.forged(), 0);
    await waitFor(
      "Slack to show it",
      () => receivers.slack.roots().some(({ blocks }) => /recovered/i.test(JSON.stringify(blocks))),
      { timeoutMs: patienceMs },
    );
    assert.ok(receivers.slack.roots().some(({ blocks }) => JSON.stringify(blocks).includes(image.name)));
    assert.deepEqual(receivers.slack.markup(), []);
  });

  /** Types of the events of a namespace that the webhook has got with a good signature. */
  function told(namespace: string): ReadonlySet<string> {
    const events = installed.receivers.verified.filter((event) => event.namespace === namespace);
    return new Set(events.map(({ type }) => type));
  }

  test("helm test finds nothing wrong", async () => {
    const said = await installed.release.test();
    assert.match(said, /Phase: +Succeeded/);
    assert.match(said, /"message": "3 agents ready, all answer/);
    assert.match(said, /"ok": true/);
  });

  test("an upgrade that rolls the agents during five transfers loses none, and moves no byte twice", async (t) => {
    const { cluster, release, values } = installed;
    const nodes = ["n1", "n2", "n3"] as const;
    const options = { count: FIVE.length, bytes: 48 * megabyte, sources: nodes };
    const orphans = await orphanImages(installed, "rolling", options);
    const agents = await installedPods(cluster, "agent");
    const ledger = await watchReceivedBytes(cluster);
    for (const at of FIVE) await orphans.want(at, nodes[(at + 1) % nodes.length] ?? "");
    // a node takes one at a time: with three nodes three are under way, and two wait for their turn
    const moving = async (): Promise<number> => (await orphans.underWay()).length;
    await waitFor("three to be under way", async () => (await moving()) === nodes.length, {
      timeoutMs: patienceMs,
    });
    await release.upgrade({ ...values, agent: { maxBandwidth: "16Mi" } });
    const old = new Set(agents.map(({ name }) => name));
    const replaced = async (): Promise<number> =>
      (await installedPods(cluster, "agent")).filter(({ name }) => !old.has(name)).length;
    await waitFor("an agent to be replaced", async () => (await replaced()) > 0, { timeoutMs: patienceMs });
    assert.ok((await moving()) > 0, "images are under way while agents are replaced");
    await orphans.arrived(...FIVE);
    await installed.waitForReady();
    assert.equal(await replaced(), 3, "all agents were replaced");
    const received = await ledger.close();
    const wanted = FIVE.length * 48 * megabyte;
    // what is cut off in the middle of a layer: one of 8 MB for each agent
    const tolerance = agents.length * 8 * megabyte;
    t.diagnostic(`${received} bytes were received for ${wanted}`);
    assert.ok(Math.abs(received - wanted) <= tolerance, `${received} bytes for ${wanted}`);
  });

  test("one controller becomes two, the leader is killed during a transfer, and another one goes on", async () => {
    const { cluster } = installed;
    const orphans = await orphanImages(installed, "leader", {
      count: 1,
      bytes: 48 * megabyte,
      sources: ["n1"],
    });
    for (const replicas of [1, 2]) {
      await installed.scale(NAMESPACE, "deployment/tote", replicas);
      await waitFor(
        `${replicas} of them`,
        async () => {
          const pods = await installedPods(cluster, "controller");
          return pods.length === replicas && pods.every(({ isReady }) => isReady);
        },
        { timeoutMs: patienceMs, intervalMs: 300 },
      );
    }
    const first = await waitFor("a leader", () => leadership(cluster), { timeoutMs: patienceMs });
    await orphans.want(0, "n2");
    await waitFor("bytes to move", async () => ((await orphans.underWay())[0] ?? 0) > megabyte, {
      timeoutMs: patienceMs,
    });
    await killPod(cluster, first.pod);
    // and it does not come back under its name
    await cluster.kubectl(["delete", "pod", first.pod.name, "--namespace", NAMESPACE, "--wait=false"]);
    const next = await waitFor(
      "another leader",
      async () => {
        const now = await leadership(cluster);
        return now !== undefined && now.pod.name !== first.pod.name && now;
      },
      { timeoutMs: patienceMs },
    );
    assert.ok(next.transitions > first.transitions, `${next.transitions} after ${first.transitions}`);
    await orphans.arrived(0);
    await installed.waitForReady();
  });

  test("a misspelt annotation is refused, frozen controllers keep nobody from writing, and images move after", async () => {
    const { cluster } = installed;
    const namespace = await installed.namespace("checked");
    const annotate = async (name: string): Promise<unknown> =>
      await cluster.kubectl(["annotate", "namespace", namespace, `${name}=true`]);
    await assert.rejects(annotate("tote.dev/alow"), /unknown annotation, known are tote\.dev\/allow/);
    const controllers = await installedPods(cluster, "controller");
    for (const pod of controllers) {
      const end = await metricOf("controller", pod, CERTIFICATE_END, { use: "webhook" });
      assert.ok(end * 1000 > Date.now(), pod.name);
    }
    const began = performance.now();
    try {
      for (const pod of controllers) await signalPod(cluster, pod, "SIGSTOP");
      await annotate("tote.dev/frozen");
    } finally {
      for (const pod of controllers) await signalPod(cluster, pod, "SIGCONT");
    }
    assert.ok(performance.now() - began > 1900, "one of them was asked, and waited for");
    await installed.waitForReady();
    // what was let through once is not held against who writes it again
    let tries = 0;
    await waitFor(
      "the next mistake to be refused",
      async () => {
        tries += 1;
        const outcome = await annotate(`tote.dev/thawed-${tries}`).catch((error: unknown) => String(error));
        return typeof outcome === "string" && /unknown annotation/.test(outcome);
      },
      { timeoutMs: patienceMs, intervalMs: 300 },
    );
    const orphans = await orphanImages(installed, "nudged", { count: 1, bytes: megabyte, sources: ["n1"] });
    await orphans.want(0, "n2");
    await orphans.arrived(0);
  });

  test("an agent that dies while there is no registry starts again from its node's image", async () => {
    const { cluster } = installed;
    const [agent] = await installedPods(cluster, "agent");
    assert.ok(agent !== undefined);
    await killPod(cluster, agent);
    await waitFor(
      "its container to be started again",
      async () =>
        (await installedPods(cluster, "agent")).some(
          ({ name, restarts, isReady }) => name === agent.name && restarts > agent.restarts && isReady,
        ),
      { timeoutMs: patienceMs, intervalMs: 300 },
    );
    await cluster.kubectl(["delete", "pod", agent.name, "--namespace", NAMESPACE]);
    await waitFor(
      "another pod of it",
      async () =>
        (await installedPods(cluster, "agent")).some(
          ({ name, node, isReady }) => name !== agent.name && node === agent.node && isReady,
        ),
      { timeoutMs: patienceMs, intervalMs: 300 },
    );
  });

  test("certificates are renewed by the CronJob while images move, without a restart", async () => {
    const { cluster } = installed;
    const orphans = await orphanImages(installed, "rotation", {
      count: 12,
      bytes: megabyte,
      sources: ["n1"],
    });
    const restarts = await restartsOfAll(cluster);
    await ageCertificates(cluster);
    const { kubectl } = cluster;
    await kubectl(["create", "job", "renew", "--from=cronjob/tote-certs", "--namespace", NAMESPACE]);
    await kubectl.waitFor("Complete", ["job/renew", `--namespace=${NAMESPACE}`], { timeoutMs: patienceMs });
    const said = (await kubectl(["logs", "job/renew", "--namespace", NAMESPACE])).stdout;
    for (const party of RENEWED)
      assert.match(said, new RegExp(`^tote-tls-${party}: renewed, less than a third`, "m"));
    const until = await newestEnds(cluster);
    let moved = 0;
    for (; moved < 11 && !(await allShow(cluster, until)); moved += 1) {
      // the kubelet brings what is new in a Secret within two minutes, and at once to a pod that changes
      if (moved === 2) await kubectl(["annotate", "pods", "--all", "a=b", "--namespace", NAMESPACE]);
      await orphans.want(moved, "n3");
      await orphans.arrived(moved);
    }
    assert.ok(moved > 0, "something moved meanwhile");
    await waitFor("all to show what is new", () => allShow(cluster, until), {
      timeoutMs: patienceMs,
      intervalMs: 1000,
    });
    await orphans.want(moved, "n2");
    await orphans.arrived(moved);
    assert.deepEqual(await restartsOfAll(cluster), restarts);
    assert.equal(installed.receivers.forged(), 0);
  });

  test("helm uninstall leaves the definition and its records", async () => {
    const { cluster, release } = installed;
    const { kubectl } = cluster;
    const records = (await kubectl(["get", "salvagerecords", "--all-namespaces", "--output=name"])).stdout;
    assert.notEqual(records, "");
    await release.uninstall();
    await waitFor(
      "all pods to have ended",
      async () => (await kubectl(["get", "pods", "--namespace", NAMESPACE, "--output=name"])).stdout === "",
      { timeoutMs: patienceMs, intervalMs: 300 },
    );
    assert.equal((await kubectl(["get", "salvagerecords", "-A", "--output=name"])).stdout, records);
    const whole = await clusterObjects(kubectl);
    assert.deepEqual(
      whole.filter((name) => !earlier.includes(name)),
      ["customresourcedefinition.apiextensions.k8s.io/salvagerecords.tote.dev"],
    );
    // this Kubernetes cannot delete the claim of a StatefulSet with it
    assert.deepEqual(await localObjects(kubectl), ["persistentvolumeclaim/data-tote-relay-0"]);
  });
});
