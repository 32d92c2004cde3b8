import assert from "node:assert/strict";
import { test } from "node:test";

import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";

import type { Clock } from "../../lib/clock.ts";
import { silentLogger } from "../../lib/log.ts";
import { AgentService } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { CachedQuestions } from "./agent-questions.ts";
import { ANSWER_MAX_AGE_MS, QUESTIONS_AT_ONCE, SILENT_AGENT_PAUSE_MS } from "./limits.ts";

const DIGEST = `sha256:${"1".repeat(64)}`;
const signal = new AbortController().signal;

/** Questions to agents that have one image, are without it, or give no answer. */
function setUp() {
  const asked: string[] = [];
  let now = 0;
  let running = 0;
  let most = 0;
  const clientOf = (node: string) =>
    createClient(
      AgentService,
      createRouterTransport(({ service }) => {
        service(AgentService, {
          async resolveImage({ reference }) {
            asked.push(`${node} ${reference}`);
            running += 1;
            most = Math.max(most, running);
            await Promise.resolve();
            running -= 1;
            if (node.startsWith("dead")) throw new ConnectError("black hole", Code.Unavailable);
            if (reference === "absent") throw new ConnectError("no such image", Code.NotFound);
            return { target: { digest: DIGEST }, names: ["app:v1"], complete: true, runnable: true };
          },
        });
      }),
    );
  const clock: Clock = { now: () => now, monotonic: () => now, sleep: () => Promise.resolve() };
  const questions = new CachedQuestions({
    clients: { get: (node) => (node === "bare" ? undefined : clientOf(node)) },
    clock,
    logger: silentLogger,
  });
  return { questions, asked, pass: (ms: number) => void (now += ms), most: () => most };
}

test("a question is asked once, however many wait for the answer", async () => {
  const { questions, asked } = setUp();
  const answers = await Promise.all(Array.from({ length: 300 }, () => questions.ask("a", "app:v1", signal)));
  assert.deepEqual(asked, ["a app:v1"]);
  assert.ok(answers.every((answer) => answer.kind === "image" && answer.image.digest === DIGEST));
});

test("an answer is believed for a while, until the node is known to have changed", async () => {
  const { questions, asked, pass } = setUp();
  assert.equal((await questions.ask("a", "absent", signal)).kind, "absent");
  await questions.ask("a", "absent", signal);
  assert.equal(asked.length, 1);
  questions.forget("a");
  await questions.ask("a", "absent", signal);
  assert.equal(asked.length, 2);
  pass(ANSWER_MAX_AGE_MS);
  await questions.ask("a", "absent", signal);
  assert.equal(asked.length, 3);
});

test("an agent that gives no answer is left alone for a while, whatever the question", async () => {
  const { questions, asked, pass } = setUp();
  assert.equal((await questions.ask("dead", "one", signal)).kind, "silent");
  assert.equal((await questions.ask("dead", "two", signal)).kind, "silent");
  assert.deepEqual(asked, ["dead one"]);
  pass(SILENT_AGENT_PAUSE_MS);
  await questions.ask("dead", "two", signal);
  assert.deepEqual(asked, ["dead one", "dead two"]);
});

test("a node without an agent is silent, and nobody is asked", async () => {
  const { questions, asked } = setUp();
  assert.deepEqual(await questions.ask("bare", "app:v1", signal), {
    kind: "silent",
    why: "it has no ready agent",
  });
  assert.deepEqual(asked, []);
});

test("no more questions than allowed are under way at the same time", async () => {
  const { questions, asked, most } = setUp();
  const nodes = Array.from({ length: 200 }, (_none, at) => `node-${at}`);
  const answers = await questions.askAll(nodes, "app:v1", signal);
  assert.equal(answers.size, 200);
  assert.equal(asked.length, 200);
  assert.ok(most() <= QUESTIONS_AT_ONCE, `${most()} at once`);
});
