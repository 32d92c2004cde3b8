import { testEvent } from "../../webhook-relay/event/testing.ts";
import type { EventData, RelayEvent } from "../../webhook-relay/event/event.ts";
import { SLACK_TOKEN, type SlackDouble } from "../../webhook-relay/testing/slack-double.ts";
import type { Cleanup } from "../harness/cleanup.ts";
import { waitFor } from "../harness/wait.ts";
import { startRelayProcess, type RelayProcess } from "./relay-process.ts";

/** Between two messages in these tests: the same rules as with a second, sooner. */
export const SLACK_TEST_INTERVAL_MS = 50;

/** One line of the configuration: a bot in the channel of a double. */
export function botLine(
  name: string,
  slack: SlackDouble,
  more = "retry: {schedule: [0s, 100ms, 100ms, 100ms]}",
): string {
  return `  - {name: ${name}, type: slack, tokenFile: slack-token, channel: C0TESTOPS, apiUrl: "${slack.apiUrl}", rateLimit: 20/s, group: {interval: 500ms}, allowAddresses: 127.0.0.1, ${more}}`;
}

/** Starts a relay that knows the token of the doubles. */
export async function startSlackRelay(
  cleanup: Cleanup,
  lines: readonly string[],
  directory?: string,
): Promise<RelayProcess> {
  return await startRelayProcess({
    cleanup,
    config: ["subscriptions:", ...lines].join("\n"),
    files: { "slack-token": `${SLACK_TOKEN}\n` },
    ...(directory !== undefined && { directory }),
  });
}

/** An event of an incident, so many seconds after noon. */
export function incidentEvent(type: string, second: number, data: Partial<EventData> = {}): RelayEvent {
  return testEvent({
    id: `${data.incident ?? "incident"}-${type}-${second}`,
    type: `tote.image.${type}`,
    time: new Date(Date.UTC(2026, 0, 31, 12) + second * 1000).toISOString(),
    data,
  });
}

/** A subscription as the API shows it, as far as it matters here. */
export interface ShownSubscription {
  readonly name: string;
  readonly queue: { readonly pending: number; readonly delivering: number };
  readonly health: { readonly disabledBy: string | null; readonly disabledReason: string };
}

/** All subscriptions in the order of the configuration. */
export async function shownSubscriptions(relay: RelayProcess): Promise<readonly ShownSubscription[]> {
  return (await (await relay.get("/v1/subscriptions")).json()).subscriptions;
}

/** Deliveries of a subscription that have not ended. */
export function openOf({ queue }: ShownSubscription): number {
  return queue.pending + queue.delivering;
}

/** Waits until nothing waits. */
export async function settled(relay: RelayProcess): Promise<void> {
  await waitFor(
    "everything to be delivered",
    async () => (await shownSubscriptions(relay)).every((one) => openOf(one) === 0),
    { timeoutMs: 60_000 },
  );
}
