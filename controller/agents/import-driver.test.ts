import assert from "node:assert/strict";
import { test } from "node:test";

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";

import { createManualClock } from "../../test/harness/manual-clock.ts";
import { waitFor } from "../../test/harness/wait.ts";
import {
  AgentService,
  ImportFailureSchema,
  type ImportImageResponseSchema,
  type ImportImageRequest,
} from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import type { TransferBytes } from "../salvage/record-change.ts";
import { DIGEST, PLAN } from "../testing/records.ts";
import { fixedAgents } from "./agent-directory.ts";
import { ImportCallError, RpcImportDriver, type ImportTask } from "./import-driver.ts";
import { IMPORT_SILENCE_MS } from "./limits.ts";

const { signal } = new AbortController();
const TASK: ImportTask = { ...PLAN, sources: ["node-a", "node-z"], blobs: [], record: "shop/app", epoch: 1 };
const PROGRESS = progress(400n);
const RESULT = {
  event: {
    case: "result" as const,
    value: {
      configDigest: DIGEST,
      bytesTransferred: 700n,
      bytesReused: 250n,
      sources: [{ node: "node-a", endpoint: "http://a" }],
      visible: true,
    },
  },
};

function progress(bytesTransferred: bigint) {
  return {
    event: {
      case: "progress" as const,
      value: { bytesTotal: 1000n, bytesTransferred, bytesReused: 250n },
    },
  };
}

type Answer = MessageInitShape<typeof ImportImageResponseSchema>;

/** A driver of one agent, on node-b, that answers an import with what `answer` gives. node-a has one, too; node-z has none. */
function setUp(answer: (inner: AbortSignal) => AsyncIterable<Answer> | Iterable<Answer>) {
  const requests: ImportImageRequest[] = [];
  const client = createClient(
    AgentService,
    createRouterTransport(({ service }) => {
      service(AgentService, {
        async *importImage(request, { signal: inner }): AsyncGenerator<Answer> {
          requests.push(request);
          for await (const message of answer(inner)) yield message;
        },
        cancelImport: ({ digest }) => ({ cancelled: digest === DIGEST }),
        removeImage: ({ name, keepRunnable }) => ({ removed: name === "here" && keepRunnable }),
      });
    }),
  );
  const clock = createManualClock();
  const driver = new RpcImportDriver({
    clients: { get: (node) => (node === "node-b" ? client : undefined) },
    directory: fixedAgents(new Map([["node-a", "http://a"]])),
    tls: () => undefined,
    clock,
    grantLifetimeMs: 60_000,
  });
  const told: TransferBytes[] = [];
  const run = async (task: Partial<ImportTask> = {}, stop = signal) =>
    await driver.run({ ...TASK, ...task }, (bytes) => void told.push(bytes), stop);
  return { driver, run, requests, told, clock };
}

test("an import asks for the plan and nothing else, from the sources that have an agent", async () => {
  const { run, requests } = setUp(() => [RESULT]);
  await run();
  const [request] = requests;
  assert.deepEqual(
    [request?.digest, request?.names, request?.maxBytes, request?.grant],
    [PLAN.digest, PLAN.names, BigInt(PLAN.maxBytes), ""],
  );
  assert.deepEqual(
    request?.sources.map(({ node, endpoint }) => [node, endpoint]),
    [["node-a", "http://a"]],
  );
});

test("progress is told as it comes, and the result has the bytes of the whole image", async () => {
  const { run, told } = setUp(() => [progress(0n), PROGRESS, RESULT]);
  const outcome = await run();
  assert.deepEqual(
    told.map(({ bytesTransferred }) => bytesTransferred),
    [0, 400],
  );
  assert.deepEqual(outcome, {
    bytesTotal: 1000,
    bytesTransferred: 700,
    bytesReused: 250,
    configDigest: DIGEST,
    sources: ["node-a"],
    visible: true,
    message: "",
  });
});

test("without progress the whole is what came and what was there", async () => {
  const { run } = setUp(() => [RESULT]);
  assert.equal((await run()).bytesTotal, 950);
});

test("an answer that ends without a result is a failure", async () => {
  const { run } = setUp(() => [PROGRESS]);
  await assert.rejects(run(), { name: "ImportCallError", message: /ended its answer without a result/ });
});

test("a failure carries what the agent says of each source", async () => {
  const { run } = setUp(() => {
    const detail = create(ImportFailureSchema, {
      retryable: true,
      sources: [{ source: { node: "node-a" }, message: "digest mismatch" }],
    });
    throw new ConnectError("no source is left", Code.DataLoss, undefined, [
      { desc: ImportFailureSchema, value: detail },
    ]);
  });
  await assert.rejects(run(), (error) => {
    assert.ok(error instanceof ImportCallError);
    assert.deepEqual(error.facts, {
      code: Code.DataLoss,
      message: "no source is left",
      detail: { retryable: true, sources: [{ node: "node-a", message: "digest mismatch" }] },
    });
    return true;
  });
});

test("an import that says nothing for too long is given up, one that gets on is not", async () => {
  let next = Promise.withResolvers<Answer>();
  const { run, told, clock } = setUp(async function* (inner) {
    inner.addEventListener("abort", () => next.reject(inner.reason));
    for (;;) yield await next.promise;
  });
  const ended = assert.rejects(run(), /nothing was heard for 30000 ms/);
  for (let heard = 1; heard <= 3; heard += 1) {
    await clock.advance(IMPORT_SILENCE_MS - 1);
    const last = next;
    next = Promise.withResolvers();
    next.promise.catch(() => undefined);
    last.resolve(progress(BigInt(heard)));
    await waitFor("progress", () => told.length === heard, { intervalMs: 1 });
  }
  await clock.advance(IMPORT_SILENCE_MS);
  await ended;
  assert.equal(clock.sleepers, 0, "a timer is left behind");
});

test("who stops it gets his own reason", async () => {
  const stop = new AbortController();
  const { run, clock } = setUp(async function* (inner) {
    yield PROGRESS;
    stop.abort(new Error("opted out"));
    await new Promise((_resolve, reject) => inner.addEventListener("abort", () => reject(inner.reason)));
  });
  await assert.rejects(run({}, stop.signal), /^Error: opted out$/);
  assert.equal(clock.sleepers, 0);
});

test("a node without a ready agent is a failure that another attempt may change", async () => {
  const { run, driver } = setUp(() => [RESULT]);
  await assert.rejects(run({ targetNode: "node-x" }), (error) => {
    assert.ok(error instanceof ImportCallError);
    assert.equal(error.facts.detail, undefined);
    assert.equal(error.facts.code, Code.Unknown);
    return /node node-x has no ready agent/.test(error.message);
  });
  await assert.rejects(driver.cancel({ ...TASK, targetNode: "node-x" }, signal), /no ready agent/);
});

test("cancelling and removing tell whether there was anything", async () => {
  const { driver } = setUp(() => [RESULT]);
  assert.equal(await driver.cancel(TASK, signal), true);
  assert.equal(await driver.cancel({ ...TASK, digest: "sha256:0" }, signal), false);
  assert.equal(await driver.removeName("node-b", "here", DIGEST, signal), true);
  assert.equal(await driver.removeName("node-b", "gone", DIGEST, signal), false);
});
