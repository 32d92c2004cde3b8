import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { testEvent } from "../../webhook-relay/event/testing.ts";
import { startReceiver, type Receiver } from "../../webhook-relay/testing/receiver.ts";
import { waitFor } from "../harness/wait.ts";
import { startRelayChild, type RelayChild } from "./child-process.ts";
import { createLedger, type Ledger } from "./ledger.ts";
import type { Arm, KillPoint } from "./relay-child-protocol.ts";

/** Numbers of a run. */
export interface KillReport {
  readonly seeds: number;
  /** times that the relay was killed, by what it was doing and where; "later" when it never came to the point */
  readonly kills: Readonly<Record<string, number>>;
  /** ids that were answered, per receiver each must have arrived */
  readonly accepted: number;
  /** of them, those that did not arrive at a receiver */
  readonly lost: readonly string[];
  /** arrivals beyond the first that no replay asked for */
  readonly duplicates: number;
  /** of them, those that no kill explains */
  readonly unexplained: readonly string[];
  /** ids that a replay should have sent again and did not */
  readonly notReplayed: readonly string[];
  /** ids that were deleted and then taken for new */
  readonly forgotten: readonly string[];
}

const TOKEN = "kill-run-token";
/** Events that are posted while one kill is waited for, at most. */
const EVENTS_PER_SEED = 120;
const HOUR_MS = 3_600_000;

/** What happens in one seed, and where it ends; every case has its turn. */
const CASES = [
  { scenario: "traffic", point: "before commit" },
  { scenario: "replay", point: "mid-replay" },
  { scenario: "traffic", point: "after POST" },
  { scenario: "retention", point: "mid-retention" },
  { scenario: "traffic", point: "after commit" },
  { scenario: "replay", point: "before commit" },
  { scenario: "traffic", point: "after POST" },
  { scenario: "retention", point: "before commit" },
  { scenario: "replay", point: "after commit" },
  { scenario: "traffic", point: "before commit" },
  { scenario: "retention", point: "after commit" },
  { scenario: "replay", point: "after POST" },
  { scenario: "traffic", point: "after commit" },
] as const satisfies readonly { readonly scenario: string; readonly point: KillPoint }[];
type Scenario = (typeof CASES)[number]["scenario"];

/**
 * Kills a relay again and again, each time at a point and a moment that the seed decides, over one store; in the end asks
 * the receivers for every id.
 * @param firstSeed where the seeds begin
 */
export async function runKills(seeds: number, firstSeed = 1): Promise<KillReport> {
  const directory = await mkdtemp(join(tmpdir(), "relay-kill-"));
  const receivers = [await startReceiver(undefined), await startReceiver(undefined)];
  const ledger = createLedger(receivers);
  const kills: Record<string, number> = {};
  try {
    await writeFile(join(directory, "relay.yaml"), configFor(receivers));
    for (let seed = firstSeed; seed < firstSeed + seeds; seed += 1) {
      const random = randomOf(seed);
      const { scenario, point } = CASES[seed % CASES.length] ?? CASES[0];
      const arm: Arm = { point, left: 1 + Math.floor(random() * 25) };
      const isReached = await runSeed({ directory, seed, scenario, arm, ledger });
      const what = `${scenario}: ${isReached ? arm.point : "later"}`;
      kills[what] = (kills[what] ?? 0) + 1;
    }
    await settle(directory, ledger);
    return { seeds, kills, ...ledger.verdict() };
  } finally {
    for (const receiver of receivers) await receiver.close();
    await rm(directory, { recursive: true, force: true });
  }
}

interface Seed {
  readonly directory: string;
  readonly seed: number;
  readonly scenario: Scenario;
  readonly arm: Arm;
  readonly ledger: Ledger;
}

/** Answers whether the relay has ended itself at the point. */
async function runSeed({ directory, seed, scenario, arm, ledger }: Seed): Promise<boolean> {
  const base = { directory, token: TOKEN, retentionMs: HOUR_MS };
  if (scenario === "retention") {
    await settle(directory, ledger);
    // everything that is delivered goes, in steps; the end comes between two of them or in one
    const soon: Arm = { ...arm, left: arm.point === "mid-retention" ? arm.left : 1 + (arm.left % 3) };
    const child = await startRelayChild({ ...base, retentionMs: 1, arm: soon });
    // it came to the point before it was ready
    if (child === undefined) return true;
    await Promise.race([child.ended, sleep(patienceMs(arm, 500))]);
    return await end(child, ledger);
  }
  const child = await startRelayChild(base);
  if (child === undefined) throw new Error("the relay ended at its start");
  if (scenario === "replay") {
    const incident = `replay-${seed}`;
    const ids = Array.from({ length: 40 }, (_, at) => `s${seed}-replayed-${at}`);
    await post(child, ids, incident, ledger);
    await idle(child);
    child.send({ kind: "arm", arm });
    // one that was not answered may be or not; one that was must be
    if (await replay(child, incident)) ledger.replays(ids);
    await Promise.race([child.ended, sleep(patienceMs(arm, 400))]);
  } else {
    child.send({ kind: "arm", arm });
    await Promise.all([0, 1, 2].map((poster) => postSome(child, `s${seed}-${poster}`, ledger)));
    await Promise.race([child.ended, sleep(100)]);
  }
  return await end(child, ledger);
}

/** How long the point is waited for: there is always more work than it takes to come to one in the middle of it. */
function patienceMs({ point }: Arm, otherwise: number): number {
  return point === "mid-replay" || point === "mid-retention" ? 10_000 : otherwise;
}

/** Ends it when it has not ended itself; answers whether it had. */
async function end(child: RelayChild, ledger: Ledger): Promise<boolean> {
  const hasEnded = child.endedAt() !== undefined;
  if (!hasEnded) await child.kill();
  await child.ended;
  ledger.killed(child.endedAt() ?? Date.now());
  return hasEnded;
}

/** Asks for a replay; answers whether it was promised. */
async function replay(child: RelayChild, incident: string): Promise<boolean> {
  try {
    const answer = await fetch(`${child.url}/v1/replays`, {
      method: "POST",
      headers: { authorization: `Bearer ${TOKEN}` },
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
async function postSome(child: RelayChild, prefix: string, ledger: Ledger): Promise<void> {
  for (let at = 0; at < EVENTS_PER_SEED / 3 && child.endedAt() === undefined;) {
    const count = at % 4 === 0 ? 10 : 1;
    const ids = Array.from({ length: count }, (_, index) => `${prefix}-${at + index}`);
    await post(child, ids, prefix, ledger);
    at += count;
  }
}

/** Posts events once; what is not answered stays owed, as the controller's outbox has it. */
async function post(
  child: Pick<RelayChild, "url">,
  ids: readonly string[],
  incident: string,
  ledger: Ledger,
): Promise<void> {
  ledger.owes(ids, incident);
  const events = ids.map((id) => testEvent({ id, data: { incident } }));
  try {
    const answer = await fetch(`${child.url}/v1/events`, {
      method: "POST",
      headers: { authorization: `Bearer ${TOKEN}` },
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

/** Starts a relay that nobody kills, posts what is owed, and waits until everything is out. */
async function settle(directory: string, ledger: Ledger): Promise<void> {
  const child = await startRelayChild({ directory, token: TOKEN, retentionMs: HOUR_MS });
  if (child === undefined) throw new Error("the relay ended at its start");
  for (const { id, incident } of ledger.owed()) await post(child, [id], incident, ledger);
  // what was deleted must still be known
  for (const { id, incident } of ledger.sample(20)) {
    const before = ledger.acceptedAnew;
    await post(child, [id], incident, ledger);
    if (ledger.acceptedAnew > before) ledger.forgot(id);
  }
  await idle(child);
  child.send({ kind: "stop" });
  await child.ended;
}

async function idle(child: RelayChild): Promise<void> {
  await waitFor(
    "the relay to have nothing to do",
    async () => {
      const status = await child.status();
      return status === undefined || (status.open === 0 && status.replays === 0);
    },
    { timeoutMs: 60_000, intervalMs: 20 },
  );
}

function configFor(receivers: readonly Receiver[]): string {
  const lines = receivers.map(
    ({ url }, at) =>
      `  - {name: r${at}, type: webhook, url: "${url}/", allowAddresses: 127.0.0.1, retry: {schedule: [0s, 100ms, 1s, 1s, 1s, 5s, 5s]}}`,
  );
  return ["subscriptions:", ...lines].join("\n");
}

/** Mulberry32: the same numbers for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed * 0x9e3779b9;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
