import { createHash } from "node:crypto";
import type { TestContext } from "node:test";

import { chromium, type Browser } from "playwright-core";

import { systemClock, type Clock } from "../../lib/clock.ts";
import type { EventData, RelayEvent } from "../../webhook-relay/event/event.ts";
import { testEvent } from "../../webhook-relay/event/testing.ts";
import { peerOf, startRelayServer } from "../../webhook-relay/http-server.ts";
import { startReceiver, type Receiver } from "../../webhook-relay/testing/receiver.ts";
import { startRig, type Rig } from "../../webhook-relay/testing/relay-rig.ts";
import { harnessConfig } from "../harness/config.ts";
import { waitFor } from "../harness/wait.ts";
import { findProgram } from "../setup/requirements.ts";

/** A relay with something to look at, and a browser. */
export interface PageRig {
  readonly rig: Rig;
  readonly url: string;
  readonly browser: Browser;
  /** of the subscription "on-call" */
  readonly onCall: Receiver;
  /** of the subscription "ticket-desk", which refuses what it gets */
  readonly tickets: Receiver;
  /** Posts events, and waits until nothing is under way but to who never answers well. */
  readonly tell: (events: readonly RelayEvent[]) => Promise<void>;
}

const ENDED: ReadonlySet<string> = new Set(["delivered", "dead"]);

/** Starts a relay that listens on loopback and a headless browser; both end with the test. */
export async function startPageRig(
  t: Pick<TestContext, "after">,
  clock: Clock = systemClock,
): Promise<PageRig> {
  const onCall = await startReceiver(t);
  const tickets = await startReceiver(t);
  tickets.behave(
    (_, response) => void response.writeHead(422).end('{"error":"no project for this service"}'),
  );
  const common = "type: webhook, secretFiles: key, allowAddresses: 127.0.0.1";
  const rig = await startRig(t, {
    peerOf,
    clock,
    config: `subscriptions:
  - {name: on-call, ${common}, url: "${onCall.url}/hooks/tote"}
  - {name: ticket-desk, ${common}, url: "${tickets.url}/issues", events: [detected, not_recovered], retry: {schedule: [0s]}}
  - {name: audit-log, ${common}, url: "http://127.0.0.1:9/", format: cloudevents, severity: critical, retry: {schedule: [0s, 1h]}}`,
  });
  const server = await startRelayServer({
    listen: { host: "127.0.0.1", port: 0 },
    app: rig.relay.app,
    tls: undefined,
  });
  t.after(async () => await server.close(0));
  const browser = await startBrowser();
  t.after(async () => await browser.close());
  return {
    rig,
    url: `http://127.0.0.1:${server.port}`,
    browser,
    onCall,
    tickets,
    async tell(events) {
      const { status } = await rig.post(events);
      if (status !== 202) throw new Error(`the relay answered ${status}`);
      await waitFor("every attempt", () => {
        const { items } = rig.relay.control.deliveries({}, { limit: 500, cursor: undefined });
        return items.every(({ subscription, state }) => subscription === "audit-log" || ENDED.has(state));
      });
    },
  };
}

async function startBrowser(): Promise<Browser> {
  const path = harnessConfig().inherited["PATH"] ?? "";
  const executablePath = findProgram("chromium", path);
  if (executablePath === undefined) throw new Error('there is no chromium on PATH: run "npm test" as root');
  return await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
}

const SEVERITY: Readonly<Record<string, string>> = {
  salvageable: "info",
  recovered: "info",
  not_recovered: "critical",
};

/** The events of one incident, one per type, four seconds from one to the next; `message` is that of the last. */
export function incidentOf(
  name: string,
  types: readonly string[],
  began: number,
  data: Partial<EventData> = {},
): readonly RelayEvent[] {
  return types.map((type, at) =>
    testEvent({
      id: `${name}-${at}`,
      type: `tote.image.${type}`,
      source: "prod-eu",
      subject: `shop/${name}-7f9c4d-x2kfj`,
      time: new Date(began + at * 4000).toISOString(),
      data: {
        incident: `${name}-incident`,
        owner: { kind: "Deployment", name },
        pod: `${name}-7f9c4d-x2kfj`,
        image: `registry.example.com/shop/${name}:1.25`,
        digest: `sha256:${createHash("sha256").update(name).digest("hex")}`,
        ...data,
        severity: SEVERITY[type] ?? "warning",
        message: messageOf(type, at === types.length - 1 ? data.message : undefined),
        ...(type === "salvaged" && { bytes: 48_231_414, durationMs: 6120 }),
      },
    }),
  );
}

function messageOf(type: string, last: string | undefined): string {
  if (last !== undefined) return last;
  if (type === "detected") return "registry.example.com: dial tcp 10.1.2.3:443: i/o timeout";
  return type === "salvaged" ? "moved from node-a" : "";
}
