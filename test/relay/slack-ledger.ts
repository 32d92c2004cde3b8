import type { RelayEvent } from "../../webhook-relay/event/event.ts";
import type { SlackDouble, SlackMessage } from "../../webhook-relay/testing/slack-double.ts";
import { incidentEvent } from "./slack-setup.ts";

/** What an incident goes through, one a second. */
export const SLACK_STEPS = ["detected", "salvaged", "recovered"] as const;

/** The namespace of what goes to Slack; nothing else does. */
export const SLACK_NAMESPACE = "slack";

/** What a channel says of the incidents that were posted. */
export interface SlackVerdict {
  readonly incidents: number;
  /** incidents and steps of which no message says anything */
  readonly unsaid: readonly string[];
  /** incidents with more than one message */
  readonly doubled: readonly string[];
  /** replies beyond the first for a step */
  readonly repeatedReplies: number;
  /** incidents with more than {@link REPEATS_MAX} of them */
  readonly overRepeated: readonly string[];
}

/**
 * A kill leaves at most one reply of which nobody knows whether it arrived; it names up to two steps. What the relay of an
 * incident leaves open may be under way again when the next relay is killed.
 */
const REPEATS_MAX = 4;

/** Id of the event of a step. */
export function slackEventId(incident: string, step: number): string {
  return `${incident}-${step}`;
}

/** The event of {@link slackEventId}; undefined for the id of another event. */
export function slackEvent(id: string, incident: string): RelayEvent | undefined {
  const step = SLACK_STEPS.findIndex((_, at) => id === slackEventId(incident, at));
  const type = SLACK_STEPS[step];
  if (type === undefined || !incident.startsWith("slack-")) return undefined;
  const data = { incident, namespace: SLACK_NAMESPACE, owner: { kind: "Deployment", name: incident } };
  return { ...incidentEvent(type, step, data), id };
}

/** Holds a channel against the incidents that were accepted. */
export function slackVerdict(slack: SlackDouble, incidents: readonly string[]): SlackVerdict {
  const unsaid: string[] = [];
  const doubled: string[] = [];
  const overRepeated: string[] = [];
  let repeatedReplies = 0;
  for (const incident of incidents) {
    const roots = slack.roots().filter(({ blocks }) => JSON.stringify(blocks).includes(`/${incident}:`));
    if (roots.length > 1) doubled.push(incident);
    let repeated = 0;
    const replies = roots.flatMap(({ ts }) => slack.replies(ts));
    for (const [step, type] of SLACK_STEPS.entries()) {
      const said = `12:00:0${step} ${type}`;
      if (!roots.some((root) => textOf(root).includes(said))) unsaid.push(`${incident}: ${said}`);
      const times = replies.filter((reply) => textOf(reply).includes(`12:00:0${step} `)).length;
      repeated += Math.max(0, times - 1);
    }
    repeatedReplies += repeated;
    if (repeated > REPEATS_MAX) overRepeated.push(incident);
  }
  return { incidents: incidents.length, unsaid, doubled, repeatedReplies, overRepeated };
}

function textOf({ blocks }: SlackMessage): string {
  return JSON.stringify(blocks);
}
