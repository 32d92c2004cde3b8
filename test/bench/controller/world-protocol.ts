/** What the bench and the process of its made-up cluster say to each other. */

import type { AskedQuestions } from "./agent-endpoint.ts";
import type { ClusterSpec } from "./cluster-spec.ts";
import type { PodState } from "./cluster-objects.ts";

/** What the cluster can be asked for, and what it answers. */
export interface WorldCalls {
  /** builds it; the certificates of the agents are in the folder */
  start: {
    readonly ask: { readonly spec: ClusterSpec; readonly certDir: string };
    readonly answer: { readonly kubeconfig: string; readonly agentPort: number };
  };
  /** sets the pods of cases, from one number to before another */
  set: {
    readonly ask: { readonly from: number; readonly to: number; readonly state: PodState };
    readonly answer: null;
  };
  /** has the pod of a case fail, and waits for the import; answers milliseconds in between, null when none came */
  sample: { readonly ask: { readonly index: number }; readonly answer: number | null };
  /** changes pods that are none of the cases; answers how many it did */
  update: { readonly ask: { readonly perSecond: number; readonly seconds: number }; readonly answer: number };
  /** what has happened so far */
  look: { readonly ask: null; readonly answer: WorldView };
}

/** What a look at the cluster shows. */
export interface WorldView extends AskedQuestions {
  /** SalvageRecords by phase; "" without one */
  readonly records: Readonly<Record<string, number>>;
  /** pods of cases that run */
  readonly running: number;
  /** CPU time of the process of API server and agents since its start */
  readonly cpuSeconds: number;
}

/** A request, as it travels. */
export interface WorldRequest<Name extends keyof WorldCalls = keyof WorldCalls> {
  readonly id: number;
  readonly name: Name;
  readonly ask: WorldCalls[Name]["ask"];
}

/** An answer, as it travels. */
export type WorldAnswer = { readonly id: number } & (
  { readonly answer: unknown } | { readonly error: string }
);
