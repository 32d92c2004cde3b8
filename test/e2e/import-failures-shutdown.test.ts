import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Code, ConnectError } from "@connectrpc/connect";

import { readyz } from "../harness/agent-metrics.ts";
import { loadImage } from "../harness/load-image.ts";
import { assertNothingHeld, keptLease } from "../harness/node-state.ts";
import { startSharedRig, type Rig, type RigImport } from "../harness/rig.ts";
import { failureOf, startImport } from "../harness/running-import.ts";
import { uniqueImage, type UniqueImage } from "../harness/unique-image.ts";
import { waitFor } from "../harness/wait.ts";
import { assertSalvaged } from "./salvaged.ts";

const SLOW = ["--max-bandwidth", "2Mi"];
const IMPATIENT = ["--shutdown-timeout", "500ms"];
const CLEAN = { code: 0, signal: null };

describe("an agent is asked to end during an import", () => {
  let rig: Rig;
  before(async () => {
    rig = await startSharedRig({
      a: { agent: { args: [...SLOW, ...IMPATIENT] } },
      c: {},
      b: { agent: { args: IMPATIENT } },
    });
  });
  after(() => rig.cleanup.run());

  async function onSources(
    title: string,
    sources: readonly string[],
  ): Promise<UniqueImage & { readonly order: RigImport }> {
    const unique = await uniqueImage(title);
    for (const node of sources)
      await loadImage(rig.node(node).containerd, unique.image, { names: [unique.name] });
    return { ...unique, order: { image: unique.image, names: [unique.name], target: "b", sources } };
  }

  test("the target: not ready at once, nothing new, and what does not end in time is kept", async () => {
    const wanted = await onSources("target-ends", ["a"]);
    const b = rig.node("b");
    const running = await startImport(rig, wanted.order);
    await running.untilInTheMiddle();
    const ended = b.agent.kill("SIGTERM");
    await waitFor("/readyz to say no", async () => (await readyz(b.agent)).status === 503);
    assert.match((await readyz(b.agent)).text, /the agent is shutting down/);
    const refused = await rig.import(wanted.order).catch((error: unknown) => ConnectError.from(error));
    assert.ok(refused instanceof ConnectError, "an agent that ends took a new import");
    assert.equal(refused.code, Code.Unavailable);
    const failure = await failureOf(running.result);
    assert.equal(failure.code, Code.Unavailable);
    assert.match(failure.message, /the agent shuts down, call again/);
    assert.equal(failure.retryable, true);
    assert.ok(failure.bytesResumable > 0, "nothing is resumable");
    await ended;
    assert.deepEqual(b.agent.status(), CLEAN);
    await keptLease(b, wanted.image.descriptor.digest);

    await b.agent.restart();
    const result = await rig.import(wanted.order);
    assert.ok(
      Number(result.bytesReused) >= failure.bytesResumable,
      `${result.bytesReused} bytes were resumed`,
    );
    await assertSalvaged(b, wanted, result);
  });

  test("the target, with time enough: the import ends well before the agent does", async () => {
    const wanted = await onSources("target-ends-later", ["a"]);
    const b = rig.node("b");
    await b.agent.restart({ args: ["--shutdown-timeout", "60s"] });
    const running = await startImport(rig, wanted.order);
    await running.untilInTheMiddle();
    const ended = b.agent.kill("SIGTERM");
    const result = await running.result;
    await ended;
    assert.deepEqual(b.agent.status(), CLEAN);
    await assertSalvaged(b, wanted, result);
    await b.agent.restart({ args: IMPATIENT });
  });

  test("the source: the next one takes over, and it leaves no lease", async () => {
    const wanted = await onSources("source-ends", ["a", "c"]);
    const [a, b] = [rig.node("a"), rig.node("b")];
    const running = await startImport(rig, wanted.order);
    await running.untilInTheMiddle();
    const ended = a.agent.kill("SIGTERM");
    await waitFor("/readyz to say no", async () => (await readyz(a.agent)).status === 503);
    const result = await running.result;
    assert.equal(Number(result.bytesTransferred), wanted.bytes);
    assert.deepEqual(result.sources.map(({ node }) => node).sort(), ["a", "c"]);
    await ended;
    assert.deepEqual(a.agent.status(), CLEAN);
    await assertNothingHeld(a);
    await assertSalvaged(b, wanted, result);
    await a.agent.restart();
  });

  test("the only source: what it has begun to send it may finish, the rest is for later", async () => {
    const wanted = await onSources("only-source-ends", ["a"]);
    const [a, b] = [rig.node("a"), rig.node("b")];
    await a.agent.restart({ args: [...SLOW, "--shutdown-timeout", "30s"] });
    const running = await startImport(rig, wanted.order);
    await running.untilInTheMiddle();
    const stopping = performance.now();
    await a.agent.kill("SIGTERM");
    const tookMs = performance.now() - stopping;
    assert.ok(tookMs < 20_000, `it took ${tookMs} ms to end, its streams were done before`);
    assert.deepEqual(a.agent.status(), CLEAN);
    await assertNothingHeld(a);
    const failure = await failureOf(running.result);
    assert.equal(failure.code, Code.Unavailable);
    assert.equal(failure.retryable, true);
    // the three layers that were on their way are here as a whole
    const [first, second, third] = wanted.image.layers;
    assert.equal(failure.bytesResumable, (first?.size ?? 0) + (second?.size ?? 0) + (third?.size ?? 0));
    await a.agent.restart();
    const result = await rig.import(wanted.order);
    await assertSalvaged(b, wanted, result);
  });
});
