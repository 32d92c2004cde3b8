import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { NAMESPACE } from "../../chart/helm.ts";
import { createCleanup, type Cleanup } from "../../harness/cleanup.ts";
import { waitFor } from "../../harness/wait.ts";
import { podImage } from "../images.ts";
import { ageCertificates, allShow, newestEnds, RENEWED } from "../installed-certificates.ts";
import { installedPods, killPod, leadingPod, restartsOfAll } from "../installed-pods.ts";
import { orphanImages } from "../installed-transfers.ts";
import { installWithHelm, type Installed } from "../installed.ts";
import type { Kubectl } from "../kubectl.ts";
import { container, deployment } from "../workloads.ts";

const patienceMs = 180_000;
const megabyte = 1_000_000;
const FIVE = [0, 1, 2, 3, 4] as const;
/** Kinds that the chart makes, and those that its services make. */
const CLUSTER_KINDS =
  "clusterroles,clusterrolebindings,priorityclasses,validatingwebhookconfigurations,customresourcedefinitions";
const LOCAL_KINDS =
  "deployments,daemonsets,statefulsets,jobs,cronjobs,pods,services,serviceaccounts,roles,rolebindings,networkpolicies,poddisruptionbudgets,configmaps,secrets,leases,persistentvolumeclaims";

/** The chart as users install it: hooks run, pods of the image that `npm run image` makes, Services by name. */
describe("tote, installed with helm", () => {
  let cleanup: Cleanup;
  let installed: Installed;
  /** what was in the cluster before */
  let earlier: readonly string[];
  before(async () => {
    cleanup = createCleanup();
    installed = await installWithHelm(cleanup, async ({ kubectl }) => {
      earlier = await names(kubectl, CLUSTER_KINDS);
    });
    await installed.waitForReady();
  });
  after(async () => {
    await installed?.cluster.registry.stop();
    await cleanup.run();
  });

  test("it says what it has installed, and nobody has asked for it yet", async () => {
    assert.match(installed.notes, /^STATUS: deployed$/m);
    assert.match(installed.notes, /daemonset\/tote-agent, one to a Linux node/);
    assert.match(installed.notes, /Nothing is opted in yet/);
    const pods = await installed.pods(NAMESPACE);
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

  test("an upgrade that rolls the agents during five transfers loses none of them", async () => {
    const { cluster, release, values } = installed;
    const orphans = await orphanImages(installed, "rolling", {
      count: 5,
      bytes: 24 * megabyte,
      source: "n1",
    });
    const agents = await installedPods(cluster, "agent");
    for (const at of FIVE) await orphans.want(at, at % 2 === 0 ? "n2" : "n3");
    await waitFor("bytes to move", async () => (await orphans.underWay()) > megabyte, {
      timeoutMs: patienceMs,
    });
    await release.upgrade({ ...values, agent: { maxBandwidth: "16Mi" } });
    await orphans.arrived(...FIVE);
    await installed.waitForReady();
    const afterwards = await installedPods(cluster, "agent");
    const old = new Set(agents.map(({ name }) => name));
    assert.equal(afterwards.length, 3);
    assert.ok(
      afterwards.every(({ name }) => !old.has(name)),
      "all agents were replaced",
    );
  });

  test("the leader is killed during a transfer, and the other one goes on", async () => {
    const { cluster } = installed;
    const orphans = await orphanImages(installed, "leader", { count: 1, bytes: 48 * megabyte, source: "n1" });
    const leader = await leadingPod(cluster);
    await orphans.want(0, "n2");
    await waitFor("bytes to move", async () => (await orphans.underWay()) > megabyte, {
      timeoutMs: patienceMs,
    });
    const pod = (await installedPods(cluster, "controller")).find(({ name }) => name === leader);
    assert.ok(pod !== undefined, `${leader} leads`);
    await killPod(cluster, pod);
    await orphans.arrived(0);
    const next = await waitFor("a leader", () => leadingPod(cluster), { timeoutMs: patienceMs });
    assert.notEqual(next, "");
    await installed.waitForReady();
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
    const orphans = await orphanImages(installed, "rotation", { count: 12, bytes: megabyte, source: "n1" });
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
    const whole = await names(kubectl, CLUSTER_KINDS);
    assert.deepEqual(
      whole.filter((name) => !earlier.includes(name)),
      ["customresourcedefinition.apiextensions.k8s.io/salvagerecords.tote.dev"],
    );
    const local = await names(kubectl, LOCAL_KINDS, `--namespace=${NAMESPACE}`);
    // the claim of a StatefulSet stays, and so does what Kubernetes puts into every namespace
    assert.deepEqual(
      local.filter((name) => !/default|kube-root-ca/.test(name)),
      ["persistentvolumeclaim/data-tote-relay-0"],
    );
  });
});

/** "kind/name" of all objects of some kinds. */
async function names(
  kubectl: Kubectl,
  kinds: string,
  ...args: readonly string[]
): Promise<readonly string[]> {
  const { stdout } = await kubectl(["get", kinds, "--output=name", ...args]);
  return stdout.split("\n").filter((name) => name !== "");
}
