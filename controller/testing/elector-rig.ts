import type { TestContext } from "node:test";

import { silentLogger } from "../../lib/log.ts";
import { createApiServer } from "../../test/harness/apiserver/server.ts";
import { asJson } from "../../test/harness/apiserver/json.ts";
import type { ApiServer } from "../../test/harness/apiserver/types.ts";
import { createCleanup, type Cleanup } from "../../test/harness/cleanup.ts";
import { kubeClient } from "../../test/harness/kube-client.ts";
import { createManualClock, type ManualClock } from "../../test/harness/manual-clock.ts";
import { LeaderElector } from "../kube/leader-elector.ts";
import type { LeaderTerm } from "../kube/leader-term.ts";
import { passUntil } from "./pass-until.ts";

/** The Lease, as "namespace/name". */
export const KEY = "tote/tote-controller";

/** A process that wants to lead. */
export interface Candidate {
  readonly elector: LeaderElector;
  /** terms that were begun, with how many of them run now */
  readonly terms: LeaderTerm[];
  running: number;
  /** ends the process in order */
  readonly stop: () => Promise<void>;
}

/** Candidates, and the API server that has their Lease. */
export interface ElectorRig {
  readonly server: ApiServer;
  readonly cleanup: Cleanup;
  readonly clock: ManualClock;
  /** One that does not run yet. */
  readonly elector: (identity: string, clock?: ManualClock) => Promise<LeaderElector>;
  readonly candidate: (identity: string, clock?: ManualClock) => Promise<Candidate>;
  readonly spec: () => Record<string, unknown>;
  /** Lets time pass in steps until something is so. */
  readonly until: (what: string, check: () => boolean, stepMs?: number) => Promise<void>;
}

/** Starts the server; candidates come one by one. */
export async function startElectors(t: TestContext): Promise<ElectorRig> {
  const cleanup = createCleanup(t);
  const server = await createApiServer({ cleanup });
  server.put({ apiVersion: "v1", kind: "Namespace", metadata: { name: "tote" } });
  const clock = createManualClock(Date.parse("2024-05-01T10:00:00Z"));
  async function makeElector(identity: string, own = clock): Promise<LeaderElector> {
    server.addUser({ name: identity, isAdmin: true });
    const { api } = await kubeClient({ server, cleanup, clock: own, user: identity });
    return new LeaderElector({
      api,
      namespace: "tote",
      name: "tote-controller",
      identity,
      clock: own,
      random: () => 0,
      logger: silentLogger,
    });
  }
  return {
    server,
    cleanup,
    clock,
    elector: makeElector,
    async candidate(identity, own) {
      const elector = await makeElector(identity, own);
      const stop = new AbortController();
      const candidate: Candidate = {
        elector,
        terms: [],
        running: 0,
        stop: async () => {
          stop.abort(new Error("shutdown"));
          await run;
        },
      };
      const run = elector.run(async (term) => {
        candidate.terms.push(term);
        candidate.running += 1;
        await aborted(term.signal);
        candidate.running -= 1;
      }, stop.signal);
      cleanup.add({ name: `stop ${identity}`, undo: candidate.stop });
      return candidate;
    },
    spec: () => asJson(server.get("leases", KEY)?.["spec"]),
    until: (what, check, stepMs = 0) => passUntil({ server, clock }, what, check, stepMs),
  };
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
}
