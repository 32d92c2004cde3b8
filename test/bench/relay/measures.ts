import { testEvent } from "../../../webhook-relay/event/testing.ts";
import { BATCH_MAX_EVENTS, WEBHOOK_CONCURRENCY } from "../../../webhook-relay/limits.ts";
import { createAddressPolicy } from "../../../webhook-relay/net/addresses.ts";
import { createHttpClient } from "../../../webhook-relay/net/http-client.ts";
import type { HttpClient } from "../../../webhook-relay/net/http.ts";
import { waitFor } from "../../harness/wait.ts";
import { RELAY_TOKENS, type RelayProcess } from "../../relay/relay-process.ts";
import { monotonicMs, type FarEnd } from "./far-end-client.ts";

/** How much is done in one round. */
export interface RelayLoad {
  /** events that are posted one by one */
  readonly single: number;
  /** events that are posted by the hundred */
  readonly batched: number;
  /** events that are posted one after the other, each when the one before has arrived */
  readonly paced: number;
  /** events that are posted so for many receivers */
  readonly fanned: number;
}

/** What one round has measured: per second, or milliseconds for each event. */
export interface RelaySample {
  readonly acceptSingle: Pair<number>;
  readonly acceptBatched: Pair<number>;
  readonly deliver: Pair<number>;
  readonly latencyMs: Pair<readonly number[]>;
  readonly neighbours: Neighbours;
}

/** The relay, and the same HTTP client in a bare loop against a server that keeps nothing. */
export interface Pair<T> {
  readonly relay: T;
  readonly bare: T;
}

/** Milliseconds from the post of an event to each arrival at many receivers, of which all answer. */
export interface Neighbours {
  readonly alone: readonly number[];
  /** another receiver takes requests and never answers */
  readonly besideDead: readonly number[];
}

/** What is measured. */
export interface RelayBench {
  readonly relay: RelayProcess;
  /** one with {@link neighboursConfig} */
  readonly fanOut: RelayProcess;
  readonly farEnd: FarEnd;
}

/** Posters at the same time: single events, batches. */
const POSTERS = 16;
const BATCH_POSTERS = 4;
const PATIENCE_MS = 300_000;
/** Receivers beside one that hangs, and the name of that one. */
const NEIGHBOURS = 99;
const DEAD = "dead";
const HEADERS = {
  "content-type": "application/json",
  authorization: `Bearer ${RELAY_TOKENS.ingest}`,
} as const;

/** Runs everything once, the relay and the bare loop by turns. */
export async function measureRound(
  { relay, fanOut, farEnd }: RelayBench,
  load: RelayLoad,
  round: string,
): Promise<RelaySample> {
  const client = benchClient();
  const target = `${relay.url}/v1/events`;
  try {
    await farEnd.reset();
    // what is accepted waits, so that accepting and delivering are measured apart
    await command(relay, "/v1/subscriptions/hook/disable");
    const singles = bodiesOf(`${round}-single`, load.single, 1);
    const batches = bodiesOf(`${round}-batch`, load.batched, BATCH_MAX_EVENTS);
    const acceptSingle = {
      bare: load.single / (await postAll(client, farEnd.acceptUrl, singles, POSTERS)),
      relay: load.single / (await postAll(client, target, singles, POSTERS)),
    };
    const acceptBatched = {
      bare: load.batched / (await postAll(client, farEnd.acceptUrl, batches, BATCH_POSTERS)),
      relay: load.batched / (await postAll(client, target, batches, BATCH_POSTERS)),
    };
    await farEnd.reset();
    const deliver = await measureDeliveries({ relay, farEnd }, load.single + load.batched, client, round);
    const latencyMs = {
      relay: await measureLatency({
        client,
        url: target,
        farEnd,
        count: load.paced,
        prefix: `${round}-paced`,
      }),
      bare: await measureLatency({
        client,
        url: farEnd.hookUrl,
        farEnd,
        count: load.paced,
        prefix: `${round}-bare-paced`,
      }),
    };
    const neighbours = await measureNeighbours({ fanOut, farEnd }, load.fanned, client, round);
    return { acceptSingle, acceptBatched, deliver, latencyMs, neighbours };
  } finally {
    await client.close();
  }
}

/** Deliveries a second of what waits, from the moment that the subscription is on until the last has arrived. */
async function measureDeliveries(
  { relay, farEnd }: Pick<RelayBench, "relay" | "farEnd">,
  count: number,
  client: HttpClient,
  round: string,
): Promise<Pair<number>> {
  const bodies = bodiesOf(`${round}-bare`, count, 1);
  const bare = count / (await postAll(client, farEnd.hookUrl, bodies, WEBHOOK_CONCURRENCY));
  await farEnd.reset();
  const started = monotonicMs();
  await command(relay, "/v1/subscriptions/hook/enable");
  await waitFor("all deliveries", async () => (await farEnd.count()) === count, {
    timeoutMs: PATIENCE_MS,
    intervalMs: 100,
  });
  const ended = Math.max(...(await farEnd.arrivals()).map(([, at]) => at));
  return { relay: count / ((ended - started) / 1000), bare };
}

/** The same events without a receiver that never answers, and beside it. */
async function measureNeighbours(
  { fanOut, farEnd }: Pick<RelayBench, "fanOut" | "farEnd">,
  count: number,
  client: HttpClient,
  round: string,
): Promise<Neighbours> {
  const common = { client, url: `${fanOut.url}/v1/events`, farEnd, count, each: NEIGHBOURS };
  await command(fanOut, `/v1/subscriptions/${DEAD}/disable`);
  const alone = await measureLatency({ ...common, prefix: `${round}-alone` });
  await command(fanOut, `/v1/subscriptions/${DEAD}/enable`);
  const besideDead = await measureLatency({ ...common, prefix: `${round}-beside` });
  await command(fanOut, `/v1/subscriptions/${DEAD}/disable`);
  if ((await farEnd.release()) !== WEBHOOK_CONCURRENCY)
    throw new Error("the dead receiver was not waited for");
  return { alone, besideDead };
}

/** From the beginning of a POST until the event has arrived at each of its receivers, one event at a time. */
async function measureLatency(options: {
  readonly client: HttpClient;
  readonly url: string;
  readonly farEnd: FarEnd;
  readonly count: number;
  readonly prefix: string;
  /** receivers of each event, default 1 */
  readonly each?: number;
}): Promise<readonly number[]> {
  const { client, url, farEnd, count, prefix, each = 1 } = options;
  await farEnd.reset();
  const posted = new Map<string, number>();
  for (const { id, body } of bodiesOf(prefix, count, 1)) {
    posted.set(id, monotonicMs());
    await postOne(client, url, { id, body });
    const arrived = async (): Promise<boolean> => (await farEnd.count()) === posted.size * each;
    await waitFor("the event to arrive", arrived, { timeoutMs: PATIENCE_MS, intervalMs: 1 });
  }
  return (await farEnd.arrivals()).map(([key, at]) => {
    const [id = ""] = key.split("/");
    return at - (posted.get(id) ?? Number.NaN);
  });
}

interface Body {
  readonly id: string;
  readonly body: string;
}

/** Events as the controller posts them; `per` to a request. */
function bodiesOf(prefix: string, count: number, per: number): readonly Body[] {
  return Array.from({ length: Math.ceil(count / per) }, (_, at) => {
    const events = Array.from({ length: per }, (__, index) =>
      testEvent({ id: `${prefix}-${at * per + index}` }),
    );
    return { id: `${prefix}-${at}`, body: JSON.stringify(per === 1 ? events[0] : events) };
  });
}

/** Posts bodies by so many posters; answers the seconds that it took. */
async function postAll(
  client: HttpClient,
  url: string,
  bodies: readonly Body[],
  posters: number,
): Promise<number> {
  const rest = bodies.values();
  const started = performance.now();
  // one iterator for all: each takes the next
  const post = async (): Promise<void> => {
    for (const body of rest) await postOne(client, url, body);
  };
  await Promise.all(Array.from({ length: posters }, post));
  return (performance.now() - started) / 1000;
}

async function postOne(client: HttpClient, url: string, { id, body }: Body): Promise<void> {
  const request = { url, headers: { ...HEADERS, "webhook-id": id }, body };
  const answer = await client.post(request, AbortSignal.timeout(PATIENCE_MS));
  if (answer.status !== 202 && answer.status !== 200)
    throw new Error(`${url} answers ${answer.status}: ${answer.body}`);
}

/** Subscriptions of a relay that tells each event to many, and to one that never answers. */
export function neighboursConfig(farEnd: FarEnd): string {
  const subscription = (name: string, url: string): string =>
    `  - {name: ${name}, type: webhook, url: "${url}", secretFiles: key, allowAddresses: 127.0.0.1, timeout: 30s}`;
  const wells = Array.from({ length: NEIGHBOURS }, (_, at) =>
    subscription(`well-${at}`, `${farEnd.hookUrl}/${at}`),
  );
  return ["subscriptions:", ...wells, subscription(DEAD, farEnd.hangUrl)].join("\n");
}

/** The client that the relay delivers with. */
function benchClient(): HttpClient {
  return createHttpClient({
    policy: createAddressPolicy({ allow: ["127.0.0.1/32"], refusePrivate: false, alsoRefuse: [] }),
    tls: { ca: "", cert: "", key: "" },
    timeoutMs: PATIENCE_MS,
    proxyUrl: "",
    connections: POSTERS,
  });
}

async function command(relay: RelayProcess, path: string): Promise<void> {
  const headers = { authorization: `Bearer ${RELAY_TOKENS.admin}` };
  const answer = await fetch(`${relay.url}${path}`, { method: "POST", headers, body: '{"reason":"bench"}' });
  if (!answer.ok) throw new Error(`${path}: answered ${answer.status}: ${await answer.text()}`);
  await answer.body?.cancel();
}
