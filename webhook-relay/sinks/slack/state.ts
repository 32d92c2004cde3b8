import { createHash } from "node:crypto";

import type { RelayEvent } from "../../event/event.ts";
import type { IncidentCard } from "./incident-card.ts";
import type { StormCard } from "./storm-card.ts";

/** The message of an incident. */
export interface RootState {
  /** id of the channel, as Slack has told it */
  readonly channel: string;
  readonly ts: string;
  readonly card: IncidentCard;
}

/** The message of a storm. */
export interface StormState {
  readonly channel: string;
  readonly ts: string;
  /** milliseconds since 1970 */
  readonly openedAt: number;
  readonly lastAt: number;
  readonly card: StormCard;
}

/** Version of what is written; what another release wrote is not read, and gets a new message. */
const VERSION = 1;

/** Where the message of an incident is remembered; also the key by which its events are put together. */
export function rootKey(channel: string, event: RelayEvent): string {
  return `root\n${channel}\n${incidentOf(event)}`;
}

/** Where the message of a storm is remembered. */
export function stormKey(channel: string): string {
  return `storm\n${channel}`;
}

/** Marks a message as the one of a key, see `block_id` of Block Kit. */
export function blockIdOf(key: string): string {
  return `tote-${createHash("sha256").update(key).digest("hex").slice(0, 32)}`;
}

/** What is remembered of a message, as it is kept. */
export function writeState(state: RootState | StormState): string {
  return JSON.stringify({ v: VERSION, ...state });
}

/** The message of an incident; undefined when there is none. */
export function readRoot(text: string | undefined): RootState | undefined {
  const value = parse(text);
  return isRoot(value) ? value : undefined;
}

/** The message of a storm; undefined when there is none. */
export function readStorm(text: string | undefined): StormState | undefined {
  const value = parse(text);
  return isStorm(value) ? value : undefined;
}

/** What groups the transitions of one owner and image. */
function incidentOf({ data }: RelayEvent): string {
  const { incident = "", namespace = "", owner, image = "" } = data;
  return incident === "" ? [namespace, owner?.kind, owner?.name, image].join("\n") : incident;
}

function parse(text: string | undefined): Readonly<Record<string, unknown>> {
  const value: unknown = text === undefined ? undefined : JSON.parse(text);
  return typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : {};
}

/** The version stands for the shape of the card: nobody else writes there. */
function isRoot(
  value: Readonly<Record<string, unknown>>,
): value is Readonly<Record<string, unknown>> & RootState {
  const { v, channel, ts, card } = value;
  return v === VERSION && typeof channel === "string" && typeof ts === "string" && typeof card === "object";
}

function isStorm(
  value: Readonly<Record<string, unknown>>,
): value is Readonly<Record<string, unknown>> & StormState {
  return isRoot(value) && typeof value["openedAt"] === "number" && typeof value["lastAt"] === "number";
}
