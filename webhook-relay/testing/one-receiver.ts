import type { TestContext } from "node:test";

import { waitFor } from "../../test/harness/wait.ts";
import type { DeliveryView } from "../store/views.ts";
import type { Receiver } from "./receiver.ts";
import { startRig, type Rig } from "./relay-rig.ts";

/** Five attempts, one right after the other. */
export const QUICK = "retry: {schedule: [0s, 50ms, 50ms, 50ms, 50ms]}";

/** One subscription, to a receiver. */
export function configFor(receiver: Receiver, more = QUICK): string {
  return `subscriptions:
  - {name: one, type: webhook, url: "${receiver.url}/hook", secretFiles: key, allowAddresses: 127.0.0.1, ${more}}`;
}

/** A relay with that subscription. */
export async function rigFor(t: TestContext, receiver: Receiver, more?: string): Promise<Rig> {
  return await startRig(t, { config: configFor(receiver, more) });
}

/** A delivery, once it has ended. */
export async function ended(rig: Rig, id = 1): Promise<DeliveryView> {
  return await waitFor(`delivery ${id} to end`, () => {
    const delivery = rig.relay.control.delivery(id);
    return delivery?.endedAt !== undefined && delivery;
  });
}
