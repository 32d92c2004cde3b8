import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

import { testEvent } from "../event/testing.ts";
import { readStoredEvent } from "../event/validate.ts";
import type { Folding } from "../sinks/sink.ts";
import type { NewEvent } from "../store/accept-events.ts";
import type { AttemptEnd } from "../store/end-attempt.ts";
import type { Lease } from "../store/lease-deliveries.ts";
import { openStore } from "../store/sqlite-store.ts";
import type { RelayStore } from "../store/store.ts";

/** Each delivery is a message of its own. */
export const SINGLE: Folding = { max: 1, load: 1, grows: false, overflowAfter: undefined };

/** A store in a folder of its own, or in one that another left; closed and removed at the end of the test. */
export function openTestStore(t: TestContext, directory?: string): RelayStore {
  const folder = directory ?? mkdtempSync(join(tmpdir(), "relay-store-"));
  const { store } = openStore({
    directory: folder,
    clock: { now: () => 1000, monotonic: () => performance.now() },
    parseEvent: readStoredEvent,
  });
  t.after(() => {
    store.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return store;
}

/** An event as it is accepted for these subscriptions. */
export function received(
  id: string,
  subscriptions: readonly string[],
  group?: { key: string; intervalMs: number },
): NewEvent {
  const event = testEvent({ id });
  const body = JSON.stringify(event);
  return {
    event,
    body,
    digest: createHash("sha256").update(body).digest(),
    deliveries: subscriptions.map((subscription) => ({
      subscription,
      groupKey: group?.key,
      intervalMs: group?.intervalMs ?? 0,
    })),
  };
}

/** How an attempt ended. */
export function endOf(
  lease: Lease,
  state: AttemptEnd["state"],
  changes: Partial<AttemptEnd> = {},
): AttemptEnd {
  return {
    lease,
    now: 2000,
    state,
    dueAt: 5000,
    spent: lease.spent + 1,
    rejections: 0,
    mayHaveArrived: false,
    reason: state === "delivered" ? "" : "5xx",
    message: "",
    attempt: {
      startedAt: 1500,
      durationMs: 20,
      outcome: state,
      status: 200,
      excerpt: "ok",
      retryAfterMs: undefined,
    },
    sinkState: [],
    health: undefined,
    ...changes,
  };
}
