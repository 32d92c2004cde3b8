import type { KillPoint } from "./relay-child-protocol.ts";

/** What happens in one seed, and where it ends; every case has its turn. */
export const CASES = [
  { scenario: "traffic", point: "before commit" },
  { scenario: "replay", point: "mid-replay" },
  { scenario: "slack", point: "after Slack call" },
  { scenario: "traffic", point: "after POST" },
  { scenario: "retention", point: "mid-retention" },
  { scenario: "traffic", point: "after commit" },
  { scenario: "slack", point: "before commit" },
  { scenario: "replay", point: "before commit" },
  { scenario: "traffic", point: "after POST" },
  { scenario: "retention", point: "before commit" },
  { scenario: "replay", point: "after commit" },
  { scenario: "slack", point: "after Slack call" },
  { scenario: "traffic", point: "before commit" },
  { scenario: "retention", point: "after commit" },
  { scenario: "replay", point: "after POST" },
  { scenario: "traffic", point: "after commit" },
] as const satisfies readonly { readonly scenario: string; readonly point: KillPoint }[];
/** What the relay is doing when it ends. */
export type Scenario = (typeof CASES)[number]["scenario"];

/** Mulberry32: the same numbers for the same seed. */
export function randomOf(seed: number): () => number {
  let state = seed * 0x9e3779b9;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
