import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

import type { Cleanup } from "../../harness/cleanup.ts";
import type { WorldAnswer, WorldCalls } from "./world-protocol.ts";

const MAIN = fileURLToPath(new URL("world-main.ts", import.meta.url));

/** A made-up cluster in a process of its own. */
export interface WorldProcess {
  readonly pid: number;
  /** Asks it for something; rejects with its words when it cannot. */
  call<Name extends keyof WorldCalls>(
    name: Name,
    ask: WorldCalls[Name]["ask"],
  ): Promise<WorldCalls[Name]["answer"]>;
}

/** Starts the process; it ends with the cleanup. */
export function startWorld(cleanup: Cleanup): WorldProcess {
  // half a million objects' worth of JSON at a time
  const child = fork(MAIN, [], { execArgv: ["--max-old-space-size=4096"], stdio: "inherit" });
  const pending = new Map<number, (answer: WorldAnswer) => void>();
  let next = 1;
  const fail = (): void => {
    for (const [id, settle] of pending) settle({ id, error: "the process of the cluster has ended" });
  };
  child.on("message", (answer: WorldAnswer) => pending.get(answer.id)?.(answer));
  child.once("exit", fail);
  cleanup.add({
    name: "end the made-up cluster",
    undo: async () => {
      if (child.exitCode !== null) return;
      const ended = once(child, "exit");
      child.disconnect();
      await ended;
    },
    undoNow: () => void child.kill("SIGKILL"),
  });
  return {
    pid: child.pid ?? 0,
    async call(name, ask) {
      const id = next;
      next += 1;
      const { promise, resolve } = Promise.withResolvers<WorldAnswer>();
      pending.set(id, resolve);
      child.send({ id, name, ask });
      try {
        const answer = await promise;
        if ("error" in answer) throw new Error(`${name}: ${answer.error}`);
        // both ends are of one release
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion
        return answer.answer as WorldCalls[typeof name]["answer"];
      } finally {
        pending.delete(id);
      }
    },
  };
}
