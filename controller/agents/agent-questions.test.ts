import assert from "node:assert/strict";
import { test } from "node:test";

import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";

import type { Clock } from "../../lib/clock.ts";
import { silentLogger } from "../../lib/log.ts";
import { AgentService } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { CachedQuestions } from "./agent-questions.ts";
import { ABSENCE_MAX_AGE_MS, ANSWER_MAX_AGE_MS, QUESTIONS_AT_ONCE, SILENT_AGENT_PAUSE_MS } from "./limits.ts";

const DIGEST = `sha256:${"1".repeat(64)}`;
const signal = new AbortController().signal;

/** Questions to agents that have one image, are without it, or give no answer. */
function setUp() {
  const asked: string[] = [];
  let now = 0;
  let running = 0;
  let most = 0;
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
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
            if (node === "slow") throw new ConnectError("too late", Code.DeadlineExceeded);
            if (node === "held") await held;
            if (node.startsWith("dead")) throw new ConnectError("black hole", Code.Unavailable);
            if (reference === "a layer") throw new ConnectError("is no manifest", Code.FailedPrecondition);
            if (reference.startsWith("absent")) throw new ConnectError("no such image", Code.NotFound);
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
  return { questions, asked, pass: (ms: number) => void (now += ms), most: () => most, release };
}

test("a question is asked once, however many wait for the answer", async () => {
  const { questions, asked } = setUp();
  const answers = await Promise.all(Array.from({ length: 300 }, () => questions.ask("a", "app:v1", signal)));
  assert.deepEqual(asked, ["a app:v1"]);
  assert.ok(answers.every((answer) => answer.kind === "image" && answer.image.digest === DIGEST));
});

test("an answer is believed for a while, until the node is known to have changed", async () => {
  const { questions, asked, pass } = setUp();
  assert.equal((await questions.ask("a", "app:v1", signal)).kind, "image");
  pass(ANSWER_MAX_AGE_MS - 1);
  await questions.ask("a", "app:v1", signal);
  assert.equal(asked.length, 1);
  questions.forget("a");
  await questions.ask("a", "app:v1", signal);
  assert.equal(asked.length, 2);
  pass(ANSWER_MAX_AGE_MS);
  await questions.ask("a", "app:v1", signal);
  assert.equal(asked.length, 3);
});

test("that a node has not got something is believed longer, and no longer than until the node has changed", async () => {
  const { questions, asked, pass } = setUp();
  assert.equal((await questions.ask("a", "absent", signal)).kind, "absent");
  pass(ABSENCE_MAX_AGE_MS - 1);
  assert.equal((await questions.ask("a", "absent", signal)).kind, "absent");
  assert.equal(asked.length, 1);
  questions.forget("a");
  await questions.ask("a", "absent", signal);
  assert.equal(asked.length, 2);
  pass(ABSENCE_MAX_AGE_MS);
  await questions.ask("a", "absent", signal);
  assert.equal(asked.length, 3);
});

test("the age of an answer is counted from when it came, however long the question waited", async () => {
  const { questions, asked, pass, release } = setUp();
  const first = questions.ask("held", "app:v1", signal);
  pass(2 * ANSWER_MAX_AGE_MS);
  const second = questions.ask("held", "app:v1", signal);
  release();
  await Promise.all([first, second]);
  pass(ANSWER_MAX_AGE_MS - 1);
  await questions.ask("held", "app:v1", signal);
  assert.deepEqual(asked, ["held app:v1"]);
});

test("a question that came to no answer in time is not asked again so soon, while others are", async () => {
  const { questions, asked, pass } = setUp();
  assert.equal((await questions.ask("slow", "one", signal)).kind, "silent");
  pass(SILENT_AGENT_PAUSE_MS);
  assert.equal((await questions.ask("slow", "one", signal)).kind, "silent");
  assert.deepEqual(asked, ["slow one"]);
  await questions.ask("slow", "two", signal);
  assert.deepEqual(asked, ["slow one", "slow two"]);
  pass(ANSWER_MAX_AGE_MS);
  await questions.ask("slow", "one", signal);
  assert.deepEqual(asked, ["slow one", "slow two", "slow one"]);
});

test("names that nobody knows are one question each to every agent, and one in all to a silent one", async () => {
  const { questions, asked, pass } = setUp();
  const nodes = ["dead-1", ...Array.from({ length: 10 }, (_none, at) => `node-${at}`)];
  const names = Array.from({ length: 10 }, (_none, at) => `absent-${at}`);
  for (let round = 0; round < 3; round += 1) {
    await Promise.all(names.map((name) => questions.askAll(nodes, name, signal)));
    pass(SILENT_AGENT_PAUSE_MS / 4);
  }
  assert.equal(asked.length, 1 + 10 * 10);
  assert.equal(new Set(asked).size, asked.length);
});

test("who gives up waiting leaves at once", async () => {
  const { questions, release } = setUp();
  const stop = new AbortController();
  const one = assert.rejects(questions.ask("held", "app:v1", stop.signal), /enough/);
  const all = assert.rejects(questions.askAll(["held", "held-2"], "app:v2", stop.signal), /enough/);
  stop.abort(new Error("enough"));
  await Promise.all([one, all]);
  release();
  await assert.rejects(questions.ask("a", "app:v1", stop.signal), /enough/);
  await assert.rejects(questions.askAll(["a", "b"], "app:v1", stop.signal), /enough/);
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

test("an agent that refuses one question is asked others", async () => {
  const { questions, asked, pass } = setUp();
  for (let times = 0; times < 2; times += 1) {
    assert.deepEqual(await questions.ask("a", "a layer", signal), {
      kind: "silent",
      why: "its agent answers: [failed_precondition] is no manifest",
    });
  }
  assert.equal((await questions.ask("a", "app:v1", signal)).kind, "image");
  assert.deepEqual(asked, ["a a layer", "a app:v1"]);
  pass(ANSWER_MAX_AGE_MS);
  await questions.ask("a", "a layer", signal);
  assert.deepEqual(asked, ["a a layer", "a app:v1", "a a layer"]);
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
