import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { harnessConfig } from "../harness/config.ts";
import type { ChildMessage, ChildOptions, ParentMessage } from "./relay-child-protocol.ts";

/** A relay in another process. */
export interface RelayChild {
  readonly url: string;
  readonly pid: number;
  hasEnded(): boolean;
  readonly ended: Promise<void>;
  send(message: ParentMessage): void;
  /** Asks for the next status; undefined when the child has ended. */
  status(): Promise<Extract<ChildMessage, { kind: "status" }> | undefined>;
  kill(): Promise<void>;
}

/**
 * Starts a relay in another process.
 * @returns undefined when it ended itself before it was ready
 */
export async function startRelayChild(options: ChildOptions): Promise<RelayChild | undefined> {
  const script = fileURLToPath(new URL("relay-child.ts", import.meta.url));
  const child = fork(script, [JSON.stringify(options)], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    env: { ...harnessConfig().inherited, NODE_COMPILE_CACHE: join(options.directory, "compiled") },
  });
  let hasEnded = false;
  const ended = once(child, "exit").then(() => {
    hasEnded = true;
  });
  const messages: ChildMessage[] = [];
  let heard = Promise.withResolvers<void>();
  child.on("message", (message: ChildMessage) => {
    messages.push(message);
    heard.resolve();
    heard = Promise.withResolvers<void>();
  });
  // a message to a child that has just ended
  child.on("error", () => undefined);

  async function next<K extends ChildMessage["kind"]>(
    kind: K,
  ): Promise<Extract<ChildMessage, { kind: K }> | undefined> {
    for (;;) {
      const at = messages.findIndex((message) => message.kind === kind);
      const [found] = at < 0 ? [] : messages.splice(at, 1);
      if (found !== undefined && isKind(found, kind)) return found;
      if (hasEnded) return undefined;
      await Promise.race([heard.promise, ended]);
    }
  }

  const ready = await next("ready");
  if (ready === undefined) return undefined;
  const send = (message: ParentMessage): void => {
    if (child.connected) child.send(message, () => undefined);
  };
  return {
    url: `http://127.0.0.1:${ready.port}`,
    pid: child.pid ?? 0,
    hasEnded: () => hasEnded,
    ended,
    send,
    async status() {
      send({ kind: "status" });
      return await next("status");
    },
    async kill() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

function isKind<K extends ChildMessage["kind"]>(
  message: ChildMessage,
  kind: K,
): message is Extract<ChildMessage, { kind: K }> {
  return message.kind === kind;
}
