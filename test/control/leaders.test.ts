import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";

import { asObject } from "../../controller/objects/json.ts";
import { ROLES } from "../../lib/roles.ts";
import type { FaultMatch } from "../harness/apiserver/faults.ts";
import type { ApiServer, RequestRecord } from "../harness/apiserver/types.ts";
import { createCleanup, type TestLike } from "../harness/cleanup.ts";
import { createPki } from "../harness/pki.ts";
import { startFleet, type Fleet } from "../harness/simulated/fleet.ts";
import { simulatedImage } from "../harness/simulated/image.ts";
import { startKubelets, type Kubelets } from "../harness/simulated/kubelet.ts";
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
  readonly kubelets: Kubelets;
  /**
   * Puts a pod on a node that fails for an image that node a has; returns the image's digest. With `isDamaged` only that
   * node has it, and its content is missing.
   */
  readonly fail: (name: string, node: string, options?: { readonly isDamaged?: boolean }) => string;
  waitForRunning(name: string): Promise<void>;
}

async function startPair(t: TestLike): Promise<Pair> {
  const cleanup = createCleanup(t);
  const { server } = await startCluster(cleanup, { others: [SECOND] });
  const pki = await createPki();
  const nodes = ["a", "b", "c"];
  const fleet = await startFleet({ cleanup, nodes, tls: await pki.role(ROLES.agent) });
  const kubelets = startKubelets({ server, fleet, cleanup });
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
    kubelets,
    fail(name, node, { isDamaged = false } = {}) {
      const image = simulatedImage(name);
      const reference = referenceOf(name);
      fleet.agent(isDamaged ? node : "a").put(image, reference);
      if (isDamaged) fleet.agent(node).damage(image.digest);
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

/** The first controller stands still so long, in milliseconds: more than twice the time of its lease. */
const STOPPED_MS = 40_000;

/** Where the first controller is kept. */
interface Halt {
  readonly isReached: () => boolean;
  /** It stands still: what it was kept from is possible for others. */
  readonly stopped: () => void;
  /** Another leads; settles when that one is done with what the first was about. */
  readonly tookOver: () => Promise<void>;
}

/** A step of a salvage, and how to have the first controller stand still there. */
interface Step {
  readonly name: string;
  /** Has a pod fail, and keeps the first controller from more than that step. */
  readonly prepare: (pair: Pair) => Halt;
  /** transfers of the pod's image in the end, default 1 */
  readonly transfers?: number;
}

const STATUS = { verb: "update", resource: "salvagerecords", subresource: "status" } as const;
const STEPS: readonly Step[] = [
  { name: "before there is a record", prepare: atWrite({ verb: "create", resource: "salvagerecords" }) },
  { name: "when the record has no status yet", prepare: atWrite(STATUS) },
  {
    name: "between the plan and the import",
    prepare: atWrite(
      { ...STATUS, after: 2 },
      ({ phase, plan }) => phase === "Pending" && Object(plan) === plan,
    ),
  },
  { name: "in the middle of the transfer", prepare: midTransfer },
  {
    name: "between the end of the import and the write that says so",
    prepare: atWrite({ ...STATUS, after: 3 }, ({ phase }, { fleet }) => {
      return phase === "Transferring" && fleet.begun.length === 1 && fleet.running.length === 0;
    }),
  },
  {
    name: "before the kubelet is woken",
    prepare: atWrite({ verb: "patch", resource: "pods", subresource: "status" }),
  },
  { name: "before a stale record is removed", prepare: atRemoval, transfers: 0 },
];

/** Keeps it from one write. @param holds what must be true by then, of the record's status too */
function atWrite(
  { after = 0, ...match }: FaultMatch & { readonly after?: number },
  holds: (status: Readonly<Record<string, unknown>>, pair: Pair) => boolean = () => true,
): Step["prepare"] {
  return (pair) => {
    const { server } = pair;
    const user = SERVICE_ACCOUNT;
    const remove = server.faults.add({ kind: "hang", ...match, after, user });
    pair.fail("web", "b");
    const isMet = (request: RequestRecord): boolean =>
      Object.entries({ subresource: "", ...match, user }).every(
        ([field, value]) => Reflect.get(request, field) === value,
      );
    return {
      isReached: () => server.requests.filter(isMet).length > after && holds(statusOf(server), pair),
      stopped: remove,
      tookOver: () => Promise.resolve(),
    };
  };
}

function midTransfer({ fleet, fail }: Pair): Halt {
  const release = fleet.hold();
  const digest = fail("web", "b");
  const calls = (): number => fleet.agent("b").calls.filter(({ method }) => method === "ImportImage").length;
  return {
    isReached: () => fleet.agent("b").arrived(digest) > 0,
    stopped: () => undefined,
    async tookOver() {
      await waitFor("the second to join the import", () => calls() > 1, TAKEOVER);
      release();
    },
  };
}

/** Keeps it from the answer that the removal hangs on; the kubelet pulls once it is made. */
function atRemoval({ fleet, fail, kubelets }: Pair): Halt {
  const digest = fail("web", "b", { isDamaged: true });
  const { promise, resolve } = Promise.withResolvers<void>();
  let questions = 0;
  fleet.agent("c").onCall = ({ method, about }) => {
    if (method !== "ResolveImage" || about !== digest) return undefined;
    questions += 1;
    // it asks once to make up its mind, and once more right before it acts
    return questions > 1 ? promise : undefined;
  };
  return {
    isReached: () => questions > 1,
    stopped: resolve,
    async tookOver() {
      await waitFor("the second to remove the record", () => removals(fleet) > 0, TAKEOVER);
      fleet.agent("b").put(simulatedImage("web"), referenceOf("web"));
      kubelets.retry();
    },
  };
}

describe(
  "no write of a leader that was stopped for 40 s takes effect after the next one's first",
  { concurrency: true },
  () => {
    for (const { name, prepare, transfers = 1 } of STEPS) {
      test(`stopped ${name}`, async (t) => {
        const pair = await startPair(t);
        const { server, fleet, first } = pair;
        const user = SERVICE_ACCOUNT;
        const halt = prepare(pair);
        await waitFor("the step", halt.isReached, TAKEOVER);
        const stoppedAt = performance.now();
        await first.kill("SIGSTOP");
        halt.stopped();

        await waitFor("the second to lead", () => accepted(server, SECOND).length > 0, TAKEOVER);
        await halt.tookOver();
        await pair.waitForRunning("web");
        await waitFor("its time", () => performance.now() - stoppedAt >= STOPPED_MS, TAKEOVER);
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
        assert.equal(fleet.begun.length, transfers + 1, "one transfer each");
        assert.equal(removals(fleet), 1 - transfers);
        for (const { node, calls } of fleet.agents) {
          const epochs = calls.map(({ epoch }) => epoch).filter((epoch) => epoch > 0);
          assert.deepEqual(
            epochs,
            epochs.toSorted((one, other) => one - other),
            `${node} was shown an older grant after a newer one`,
          );
        }
        if (transfers > 0) assert.deepEqual(statusOf(server)["sources"], ["a"]);
        assert.match(first.logs(), /not leading any more/);
      });
    }
  },
);

/** How often agents were asked to remove a name. */
function removals({ agents }: Fleet): number {
  return agents.flatMap(({ calls }) => calls).filter(({ method }) => method === "RemoveImage").length;
}

function referenceOf(title: string): string {
  return `registry.test:5000/${title}:v1`;
}

/** The status of the first record. */
function statusOf(server: ApiServer): Readonly<Record<string, unknown>> {
  return asObject(server.list("salvagerecords", "shop")[0]?.["status"]);
}

function phases(server: ApiServer): readonly unknown[] {
  return server.list("salvagerecords", "shop").map((record) => asObject(record["status"])["phase"]);
}
