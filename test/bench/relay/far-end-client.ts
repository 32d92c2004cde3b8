import process from "node:process";
import { fileURLToPath } from "node:url";

import type { Cleanup } from "../../harness/cleanup.ts";
import { freePorts } from "../../harness/ports.ts";
import { startProcess } from "../../harness/processes.ts";
import { waitFor } from "../../harness/wait.ts";

/** `webhook-id`, with the path below `hookUrl` if any, and when it came first, see {@link monotonicMs}. */
export type Arrivals = readonly (readonly [id: string, at: number])[];

/** A receiver in a process of its own, which is also the server of the bare loops. */
export interface FarEnd {
  /** what arrives here and below is kept with its time */
  readonly hookUrl: string;
  /** answers as a relay would, and does nothing */
  readonly acceptUrl: string;
  /** does not answer before {@link release} */
  readonly hangUrl: string;
  count(): Promise<number>;
  arrivals(): Promise<Arrivals>;
  reset(): Promise<void>;
  /** Answers all that hang; says how many they were. */
  release(): Promise<number>;
}

/** Milliseconds of a clock that all processes of a machine share. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Starts the receiver; it ends with `cleanup`. */
export async function startFarEnd(cleanup: Cleanup): Promise<FarEnd> {
  const [port = 0] = await freePorts(1);
  const script = fileURLToPath(new URL("far-end.ts", import.meta.url));
  startProcess({ name: "far end", command: process.execPath, args: [script, String(port)], cleanup });
  const url = `http://127.0.0.1:${port}`;
  const count = async (): Promise<number> => Number(await (await fetch(`${url}/count`)).text());
  await waitFor("the far end", async () => (await count()) === 0, { timeoutMs: 60_000 });
  return {
    hookUrl: `${url}/hook`,
    acceptUrl: `${url}/accept`,
    hangUrl: `${url}/hang`,
    count,
    arrivals: async () => await (await fetch(`${url}/arrivals`)).json(),
    async reset() {
      await (await fetch(`${url}/reset`, { method: "POST" })).text();
    },
    release: async () => Number(await (await fetch(`${url}/release`, { method: "POST" })).text()),
  };
}
