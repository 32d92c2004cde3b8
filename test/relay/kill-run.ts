import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { startReceiver, type Receiver } from "../../webhook-relay/testing/receiver.ts";
import { SLACK_TOKEN, startSlackDouble, type SlackDouble } from "../../webhook-relay/testing/slack-double.ts";
import { startRelayChild, type RelayChild } from "./child-process.ts";
import { createLedger, type Ledger } from "./ledger.ts";
import { CASES, randomOf, type Scenario } from "./kill-cases.ts";
import { readOpenDeliveries } from "./kill-store.ts";
import { idle, KILL_TOKEN, post, postSome, replay, tellSlack } from "./kill-posts.ts";
import type { Arm } from "./relay-child-protocol.ts";
import { SLACK_NAMESPACE, slackVerdict, type SlackVerdict } from "./slack-ledger.ts";

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
  /** of them, those that a kill explains, by what the relay was doing and where it ended */
  readonly duplicatesBy: Readonly<Record<string, number>>;
  /** of them, those that no kill explains */
  readonly unexplained: readonly string[];
  /** most repeats at one receiver after one kill */
  readonly mostPerKill: number;
  /** kills with more repeats than could have been under way */
  readonly tooMany: readonly string[];
  /** ids that arrived and were never posted */
  readonly unknown: readonly string[];
  /** ids that a replay should have sent again and did not */
  readonly notReplayed: readonly string[];
  /** ids that were deleted and then taken for new */
  readonly forgotten: readonly string[];
  readonly slack: SlackVerdict;
}

const HOUR_MS = 3_600_000;
/** Between two messages into the channel, in milliseconds: Slack's rules, sooner. */
const SLACK_INTERVAL_MS = 25;

/**
 * Kills a relay again and again, each time at a point and a moment that the seed decides, over one store; in the end asks
 * the receivers for every id.
 * @param firstSeed where the seeds begin
 */
export async function runKills(seeds: number, firstSeed = 1): Promise<KillReport> {
  const directory = await mkdtemp(join(tmpdir(), "relay-kill-"));
  const receivers = { r0: await startReceiver(undefined), r1: await startReceiver(undefined) };
  const slack = await startSlackDouble(undefined, { intervalMs: SLACK_INTERVAL_MS });
  const ledger = createLedger(receivers);
  const kills: Record<string, number> = {};
  try {
    await writeFile(join(directory, "relay.yaml"), configFor(receivers, slack));
    await writeFile(join(directory, "slack-token"), SLACK_TOKEN);
    // one that ends in order leaves compiled code behind, with which all others start in half the time
    await settle(directory, ledger);
    for (let seed = firstSeed; seed < firstSeed + seeds; seed += 1) {
      const random = randomOf(seed);
      const { scenario, point } = CASES[seed % CASES.length] ?? CASES[0];
      // an incident takes a few calls, everything else many steps
      const most = scenario === "slack" ? 6 : 25;
      const arm: Arm = { point, left: 1 + Math.floor(random() * most) };
      const isReached = await runSeed({ directory, seed, scenario, arm, ledger });
      const what = `${scenario}: ${isReached ? arm.point : "later"}`;
      kills[what] = (kills[what] ?? 0) + 1;
    }
    await settle(directory, ledger);
    const told = ledger.incidents().filter((incident) => incident.startsWith("slack-"));
    return { seeds, kills, ...ledger.verdict(), slack: slackVerdict(slack, told) };
  } finally {
    await slack.close();
    for (const receiver of Object.values(receivers)) await receiver.close();
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
  const base = { directory, token: KILL_TOKEN, retentionMs: HOUR_MS };
  if (scenario === "retention") {
    await settle(directory, ledger);
    // everything that is delivered goes, in steps; the end comes between two of them or in one
    const soon: Arm = { ...arm, left: arm.point === "mid-retention" ? arm.left : 1 + (arm.left % 3) };
    const child = await startRelayChild({ ...base, retentionMs: 1, arm: soon });
    // it came to the point before it was ready
    if (child === undefined) return true;
    await Promise.race([child.ended, sleep(patienceMs(arm, 500))]);
    return await end(child, `${scenario}: ${arm.point}`, { directory, ledger });
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
  } else if (scenario === "slack") {
    child.send({ kind: "arm", arm });
    await tellSlack(child, `slack-${seed}`, ledger);
  } else {
    child.send({ kind: "arm", arm });
    await Promise.all([0, 1, 2].map((poster) => postSome(child, `s${seed}-${poster}`, ledger)));
    await Promise.race([child.ended, sleep(patienceMs(arm, 100))]);
  }
  return await end(child, `${scenario}: ${arm.point}`, { directory, ledger });
}

/** How long the point is waited for: there is always enough work to come to one of these. */
function patienceMs({ point }: Arm, otherwise: number): number {
  return point === "mid-replay" || point === "mid-retention" || point === "after POST" ? 10_000 : otherwise;
}

/** Ends it when it has not ended itself; answers whether it had. */
async function end(
  child: RelayChild,
  where: string,
  { directory, ledger }: Pick<Seed, "directory" | "ledger">,
): Promise<boolean> {
  const hasEnded = child.hasEnded();
  if (!hasEnded) await child.kill();
  await child.ended;
  // what it had sent comes to the receivers while the store is read
  ledger.killed(hasEnded ? where : "later", await readOpenDeliveries(join(directory, "data")));
  return hasEnded;
}

/** Starts a relay that nobody kills, posts what is owed, and waits until everything is out. */
async function settle(directory: string, ledger: Ledger): Promise<void> {
  const child = await startRelayChild({ directory, token: KILL_TOKEN, retentionMs: HOUR_MS });
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

function configFor(receivers: Readonly<Record<string, Receiver>>, slack: SlackDouble): string {
  const more = "allowAddresses: 127.0.0.1, retry: {schedule: [0s, 100ms, 1s, 1s, 1s, 5s, 5s]}";
  const pace = `group: {interval: 50ms}, rateLimit: ${1000 / SLACK_INTERVAL_MS}/s`;
  return [
    "subscriptions:",
    ...Object.entries(receivers).map(
      ([name, { url }]) => `  - {name: ${name}, type: webhook, url: "${url}/", ${more}}`,
    ),
    `  - {name: slack, type: slack, tokenFile: slack-token, channel: C0TESTOPS, apiUrl: "${slack.apiUrl}",`,
    `     namespaces: ${SLACK_NAMESPACE}, ${pace}, ${more}}`,
  ].join("\n");
}
