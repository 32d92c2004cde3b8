import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";

import { ROLES } from "../../lib/roles.ts";
import type { FaultRule } from "../harness/apiserver/faults.ts";
import type { ApiServer, RequestRecord } from "../harness/apiserver/types.ts";
import { createCleanup, type TestLike } from "../harness/cleanup.ts";
import { createPki } from "../harness/pki.ts";
import { startFleet, type Fleet } from "../harness/simulated/fleet.ts";
import { simulatedImage } from "../harness/simulated/image.ts";
import { startKubelets } from "../harness/simulated/kubelet.ts";
import { waitFor } from "../harness/wait.ts";
import { SERVICE_ACCOUNT, startCluster } from "./cluster.ts";
import { startController, type ControllerProcess } from "./controller-process.ts";
import { podManifest } from "./objects.ts";

/** Whom the second controller runs as, so that the log of requests tells the two apart. */
const SECOND = `${SERVICE_ACCOUNT}-2`;
const WRITES = new Set(["create", "update", "patch", "delete"]);
/** The lease lasts 15 s; on a machine with much to do all takes its time. */
const TAKEOVER = { timeoutMs: 120_000 };

/** Two controllers, of which the first leads, and nodes a, b and c. */
interface Pair {
  readonly server: ApiServer;
  readonly fleet: Fleet;
  readonly first: ControllerProcess;
  /** Puts a pod on a node that fails for an image that node a has; returns the image's digest. */
  fail(name: string, node: string): string;
  waitForRunning(name: string): Promise<void>;
}

async function startPair(t: TestLike): Promise<Pair> {
  const cleanup = createCleanup(t);
  const { server } = await startCluster(cleanup, { others: [SECOND] });
  const pki = await createPki();
  const nodes = ["a", "b", "c"];
  const fleet = await startFleet({ cleanup, nodes, tls: await pki.role(ROLES.agent) });
  startKubelets({ server, fleet, cleanup });
  const annotations = { "tote.dev/allow": "true" };
  for (const metadata of [{ name: "tote" }, { name: "shop", annotations }]) {
    server.put({ apiVersion: "v1", kind: "Namespace", metadata });
  }
  const certDir = join(cleanup.directory(), "certs");
  await pki.write(certDir, await pki.role(ROLES.controller));
  const agents = Object.fromEntries(fleet.agents.map(({ node, url }) => [node, url]));
  const start = (user: string): Promise<ControllerProcess> =>
    startController({
      cleanup,
      certDir,
      agents,
      kubeconfig: server.kubeconfigPath(user),
      args: [`--identity=${user}`, "--cluster-name=test"],
    });
  const first = await start(SERVICE_ACCOUNT);
  await waitFor("the first to lead", () => accepted(server, SERVICE_ACCOUNT).length > 0, TAKEOVER);
  await start(SECOND);
  return {
    server,
    fleet,
    first,
    fail(name, node) {
      const image = simulatedImage(name);
      const reference = `registry.test:5000/${name}:v1`;
      fleet.agent("a").put(image, reference);
      const asks = { "tote.dev/auto-salvage": "true" };
      const pod = podManifest({ name, namespace: "shop", node, image: reference, annotations: asks });
      server.put({ ...pod, apiVersion: "v1", kind: "Pod", metadata: { ...pod.metadata } });
      return image.digest;
    },
    async waitForRunning(name) {
      await waitFor(
        `pod ${name} to run`,
        () => JSON.stringify(server.get("pods", `shop/${name}`)?.["status"]).includes('"phase":"Running"'),
        TAKEOVER,
      );
    },
  };
}

/** Writes that took effect, in the order in which they arrived. */
function accepted({ requests }: ApiServer, user?: string): readonly RequestRecord[] {
  return requests.filter(
    (request) =>
      WRITES.has(request.verb) &&
      request.status >= 200 &&
      request.status < 300 &&
      (user === undefined || request.user === user),
  );
}

/** A step of a salvage, and how to have the first controller stand still there. */
interface Step {
  readonly name: string;
  /** what it is kept from doing; without one it is kept in the middle of the transfer */
  readonly fault?: FaultRule;
  /** how long it stands still at least, in milliseconds */
  readonly stoppedMs: number;
}

const STATUS = { verb: "update", resource: "salvagerecords", subresource: "status" } as const;
const STEPS: readonly Step[] = [
  {
    name: "before there is a record",
    fault: { kind: "hang", verb: "create", resource: "salvagerecords" },
    stoppedMs: 0,
  },
  { name: "when the record has no status yet", fault: { kind: "hang", ...STATUS }, stoppedMs: 0 },
  { name: "in the middle of the transfer, for 40 s", stoppedMs: 40_000 },
  {
    name: "before the kubelet is woken",
    fault: { kind: "hang", verb: "patch", resource: "pods", subresource: "status" },
    stoppedMs: 0,
  },
];

describe(
  "no write of a leader that was stopped takes effect after the next one's first",
  { concurrency: true },
  () => {
    for (const { name, fault, stoppedMs } of STEPS) {
      test(`stopped ${name}`, async (t) => {
        const pair = await startPair(t);
        const { server, fleet, first } = pair;
        const user = SERVICE_ACCOUNT;
        const remove = fault === undefined ? undefined : server.faults.add({ ...fault, user });
        const release = fault === undefined ? fleet.hold() : undefined;
        const digest = pair.fail("web", "b");
        await waitFor(
          "the step",
          () =>
            fault === undefined
              ? fleet.agent("b").arrived(digest) > 0
              : server.requests.some((request) => request.user === user && isMet(fault, request)),
          TAKEOVER,
        );
        const stoppedAt = performance.now();
        await first.kill("SIGSTOP");
        remove?.();

        await waitFor("the second to lead", () => accepted(server, SECOND).length > 0, TAKEOVER);
        if (release !== undefined) {
          const calls = () => fleet.agent("b").calls.filter(({ method }) => method === "ImportImage");
          await waitFor("the second to join the import", () => calls().length > 1, TAKEOVER);
          release();
        }
        await pair.waitForRunning("web");
        await waitFor("its time", () => performance.now() - stoppedAt >= stoppedMs, TAKEOVER);
        // something to do for whoever thinks that it leads
        pair.fail("more", "c");
        const before = server.requests.length;
        await first.kill("SIGCONT");
        await waitFor(
          "the first to stand for election again",
          () => server.requests.slice(before).some((one) => one.user === user && one.resource === "leases"),
          TAKEOVER,
        );
        await pair.waitForRunning("more");
        await waitFor(
          "both records to be done",
          () => phases(server).join() === "Completed,Completed",
          TAKEOVER,
        );

        const writes = accepted(server);
        const takeover = writes.findIndex((write) => write.user === SECOND);
        const late = writes.slice(takeover).filter((write) => write.user === user);
        assert.deepEqual(late, []);
        assert.equal(fleet.begun.length, 2, "one transfer each");
        for (const { node, calls } of fleet.agents) {
          const epochs = calls.map(({ epoch }) => epoch).filter((epoch) => epoch > 0);
          assert.deepEqual(
            epochs,
            epochs.toSorted((one, other) => one - other),
            `${node} was shown an older grant after a newer one`,
          );
        }
        assert.match(first.logs(), /not leading any more/);
      });
    }
  },
);

function isMet(fault: FaultRule, request: RequestRecord): boolean {
  const { verb, resource, subresource = "" } = fault;
  return request.verb === verb && request.resource === resource && request.subresource === subresource;
}

function phases(server: ApiServer): readonly unknown[] {
  return server
    .list("salvagerecords", "shop")
    .map((record) => Reflect.get(Object(record["status"]), "phase"));
}
