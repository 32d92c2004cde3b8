import assert from "node:assert/strict";

import type { AgentProcess } from "../harness/agent-process.ts";

/** Where secrets could have leaked, and which. */
export interface SecretSearch {
  readonly agents: readonly AgentProcess[];
  /** further texts, e.g. error messages that clients got */
  readonly texts: readonly string[];
  /** compact JWS */
  readonly tokens: readonly string[];
  /** PEM */
  readonly keys: readonly string[];
}

/** length of the shortest run of characters that is looked for */
const TRACE_LENGTH = 24;

/** Asserts that no part of a token or key is in the agents' logs, in their metrics or in the texts. */
export async function assertNoSecrets({ agents, texts, tokens, keys }: SecretSearch): Promise<void> {
  const places = new Map(texts.map((text, at) => [`text ${at}`, text]));
  for (const agent of agents) {
    places.set(`log of ${agent.name}`, agent.logs());
    const metrics = await fetch(`${agent.metricsUrl}/metrics`, { signal: AbortSignal.timeout(5000) });
    places.set(`metrics of ${agent.name}`, await metrics.text());
  }
  const traces = [...tokens.flatMap(tokenTraces), ...keys.flatMap(keyTraces)];
  assert.ok(traces.length > 0, "there is nothing to look for");
  for (const [place, text] of places) {
    for (const trace of traces) assert.ok(!text.includes(trace), `${place} holds ${trace}`);
  }
}

/** The beginnings of payload and signature; a header holds nothing but a public certificate. */
function tokenTraces(token: string): readonly string[] {
  const [, payload = "", signature = ""] = token.split(".");
  return [payload, signature].map((part) => part.slice(0, TRACE_LENGTH)).filter(isLong);
}

/** The lines of a PEM between its first and last. */
function keyTraces(pem: string): readonly string[] {
  return pem
    .split("\n")
    .filter((line) => !line.startsWith("-----"))
    .map((line) => line.slice(0, TRACE_LENGTH))
    .filter(isLong);
}

function isLong(trace: string): boolean {
  return trace.length === TRACE_LENGTH;
}
