import { testEvent } from "../../webhook-relay/event/testing.ts";
import { waitFor } from "../harness/wait.ts";
import type { RelayChild } from "./child-process.ts";
import type { Ledger } from "./ledger.ts";
import { SLACK_STEPS, slackEvent, slackEventId } from "./slack-ledger.ts";

/** The token of the relays that are killed, for everything. */
export const KILL_TOKEN = "token-of-kill-runs";
/** Events that are posted while one kill is waited for, at most. */
const EVENTS_PER_SEED = 120;

/** Asks for a replay; answers whether it was promised. */
export async function replay(child: RelayChild, incident: string): Promise<boolean> {
  try {
    const answer = await fetch(`${child.url}/v1/replays`, {
      method: "POST",
      headers: { authorization: `Bearer ${KILL_TOKEN}` },
      body: JSON.stringify({ incident, ratePerSecond: 500 }),
      signal: AbortSignal.timeout(5000),
    });
    const text = await answer.text();
    if (answer.status !== 202) throw new Error(`answered ${answer.status}: ${text}`);
    return true;
  } catch (error) {
    if (error instanceof Error && error.message.startsWith("answered")) throw error;
    return false;
  }
}

/** Posts until there is enough, or the relay is gone: single events and batches by turns. */
export async function postSome(child: RelayChild, prefix: string, ledger: Ledger): Promise<void> {
  for (let at = 0; at < EVENTS_PER_SEED / 3 && !child.hasEnded();) {
    const count = at % 4 === 0 ? 10 : 1;
    const ids = Array.from({ length: count }, (_, index) => `${prefix}-${at + index}`);
    await post(child, ids, prefix, ledger);
    at += count;
  }
}

/** Posts events once; what is not answered stays owed, as the controller's outbox has it. */
export async function post(
  child: Pick<RelayChild, "url">,
  ids: readonly string[],
  incident: string,
  ledger: Ledger,
): Promise<void> {
  ledger.owes(ids, incident);
  const events = ids.map((id) => slackEvent(id, incident) ?? testEvent({ id, data: { incident } }));
  try {
    const answer = await fetch(`${child.url}/v1/events`, {
      method: "POST",
      headers: { authorization: `Bearer ${KILL_TOKEN}` },
      body: JSON.stringify(events.length === 1 ? events[0] : events),
      signal: AbortSignal.timeout(5000),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`answered ${answer.status}: ${text}`);
    ledger.answered(ids, text.includes('"duplicate":false'));
  } catch (error) {
    // the relay is gone, or goes; another answer is a mistake
    if (error instanceof Error && error.message.startsWith("answered")) throw error;
  }
}

/** An incident that goes on step by step, each told before the next one comes. */
export async function tellSlack(child: RelayChild, incident: string, ledger: Ledger): Promise<void> {
  for (const at of SLACK_STEPS.keys()) {
    await post(child, [slackEventId(incident, at)], incident, ledger);
    await idle(child);
  }
}

/** Waits until nothing is under way, or the relay is gone. */
export async function idle(child: RelayChild): Promise<void> {
  await waitFor(
    "the relay to have nothing to do",
    async () => {
      const status = await child.status();
      return status === undefined || (status.open === 0 && status.replays === 0);
    },
    { timeoutMs: 60_000, intervalMs: 20 },
  );
}
