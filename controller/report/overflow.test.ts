import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { silentLogger } from "../../lib/log.ts";
import { createApiServer } from "../../test/harness/apiserver/server.ts";
import type { ApiServer } from "../../test/harness/apiserver/types.ts";
import { createCleanup } from "../../test/harness/cleanup.ts";
import { kubeClient } from "../../test/harness/kube-client.ts";
import type { KubeApi } from "../kube/kube-api.ts";
import { asObject, asText } from "../objects/json.ts";
import { T0 } from "../testing/records.ts";
import { Overflow } from "./overflow.ts";

const HOUR_MS = 60 * 60_000;
const signal = new AbortController().signal;

describe("refusals beyond the bound of records", () => {
  const cleanup = createCleanup();
  let server: ApiServer;
  let api: KubeApi;
  before(async () => {
    server = await createApiServer({ cleanup });
    ({ api } = await kubeClient({ server, cleanup }));
  });
  after(() => cleanup.run());

  function start(namespace: string): {
    readonly overflow: Overflow;
    readonly posted: string[];
    readonly counted: () => number;
    readonly events: () => readonly Readonly<Record<string, unknown>>[];
    /** moves the clock */
    readonly at: (ms: number) => void;
    /** has the relay take events, or not */
    readonly listen: (isListening: boolean) => void;
  } {
    server.put({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
    const posted: string[] = [];
    let counted = 0;
    let now = T0;
    let isListening = true;
    const overflow = new Overflow({
      api,
      relay: {
        async post(id, body) {
          if (!isListening) throw new Error("the relay is away");
          posted.push(`${id} ${body}`);
          await Promise.resolve();
        },
        close: async () => await Promise.resolve(),
      },
      wanted: new Set(["not_actionable"]),
      clusterName: "test",
      lease: { namespace, name: "tote-controller" },
      instance: "tote-0",
      metrics: { notActionable: () => void (counted += 1) },
      now: () => now,
      logger: silentLogger,
    });
    return {
      overflow,
      posted,
      counted: () => counted,
      events: () => server.list("events", namespace).map(asObject),
      at: (ms) => void (now = T0 + ms),
      listen: (next) => void (isListening = next),
    };
  }

  test("are one Event that is counted up, and one event to the relay", async () => {
    const { overflow, posted, counted, events } = start("one");
    await overflow.say(signal);
    assert.deepEqual(events(), []);
    for (let round = 0; round < 3; round += 1) {
      for (let at = 0; at <= round; at += 1) overflow.refused(`subject ${at}`);
      await overflow.say(signal);
      await overflow.say(signal);
    }
    assert.equal(counted(), 3);
    assert.equal(events().length, 1);
    assert.equal(asText(events()[0]?.["reason"]), "ImageNotActionable");
    assert.equal(asObject(events()[0]?.["series"])["count"], 3);
    assert.equal(posted.length, 1);
    assert.match(posted[0] ?? "", /"type":"tote.image.not_actionable".*1 image failures were refused/);
  });

  test("begin anew each hour, with those that still fail", async () => {
    const { overflow, posted, events, at } = start("hours");
    overflow.refused("a");
    overflow.refused("b");
    await overflow.say(signal);
    overflow.forget("a");
    at(HOUR_MS);
    await overflow.say(signal);
    const said = events().map((event) => /\d+ image failures/.exec(asText(event["note"]))?.[0]);
    assert.deepEqual(new Set(said), new Set(["2 image failures", "1 image failures"]));
    assert.equal(posted.length, 2);
    overflow.forget("b");
    at(2 * HOUR_MS);
    await overflow.say(signal);
    assert.equal(events().length, 2);
  });

  test("go on in the Event that a leader before has begun", async () => {
    const first = start("leaders");
    first.overflow.refused("a");
    await first.overflow.say(signal);
    const second = start("leaders");
    for (const subject of ["a", "b", "c"]) second.overflow.refused(subject);
    await second.overflow.say(signal);
    assert.equal(second.events().length, 1);
    assert.equal(asObject(second.events()[0]?.["series"])["count"], 3);
  });

  test("are offered to a relay that was away, byte for byte the same", async () => {
    const { overflow, posted, listen } = start("away");
    listen(false);
    overflow.refused("a");
    await overflow.say(signal);
    overflow.refused("b");
    listen(true);
    await overflow.say(signal);
    await overflow.say(signal);
    assert.equal(posted.length, 1);
    assert.match(posted[0] ?? "", /1 image failures/);
  });
});
