/** A sample's name and labels as /metrics writes them, e.g. `tote_agent_imports_total{result="failed"}`. */
export type SampleName = string;

/** Reads one sample from an agent's /metrics. Throws an Error that names it when there is no such sample. */
export async function readMetric(agent: { readonly metricsUrl: string }, name: SampleName): Promise<number> {
  const answer = await fetch(`${agent.metricsUrl}/metrics`, { signal: AbortSignal.timeout(5000) });
  const text = await answer.text();
  const line = text.split("\n").find((candidate) => candidate.startsWith(`${name} `));
  if (line === undefined) throw new Error(`${agent.metricsUrl}/metrics has no sample ${name}:\n${text}`);
  return Number(line.slice(name.length + 1));
}

/** Bytes of images that an agent has sent to others since it started. */
export function bytesSent(agent: { readonly metricsUrl: string }): Promise<number> {
  return readMetric(agent, 'tote_agent_transfer_bytes_total{direction="export"}');
}

/** Bytes of images that an agent has received from others since it started, those thrown away later included. */
export function bytesReceived(agent: { readonly metricsUrl: string }): Promise<number> {
  return readMetric(agent, 'tote_agent_transfer_bytes_total{direction="import"}');
}

/** What /readyz says: the HTTP status and the words. */
export async function readyz(agent: { readonly metricsUrl: string }): Promise<{
  readonly status: number;
  readonly text: string;
}> {
  const answer = await fetch(`${agent.metricsUrl}/readyz`, { signal: AbortSignal.timeout(2000) });
  return { status: answer.status, text: await answer.text() };
}
