/** Agents of tests: what they would answer, without RPC. */

import type { ImportDriver, ImportOutcome, ImportTask } from "../agents/import-driver.ts";
import type { AgentAnswer, AgentQuestions } from "../agents/agent-questions.ts";
import type { NodeImage } from "../agents/node-image.ts";
import type { TransferBytes } from "../salvage/record-change.ts";
import { DIGEST } from "./records.ts";

/** An image on a node for tests: complete, and runnable there. */
export function nodeImage(options: Partial<NodeImage> = {}): NodeImage {
  return {
    digest: DIGEST,
    names: ["registry.test:5000/app:v1"],
    configDigest: "",
    blobs: [],
    isComplete: true,
    incomplete: "",
    isRunnable: true,
    ...options,
  };
}

/** Agents that answer from a table, by node; nodes that are not in it give no answer. */
export class FakeQuestions implements AgentQuestions {
  readonly answers = new Map<string, AgentAnswer>();
  /** "node reference" of each question */
  readonly asked: string[] = [];
  /** nodes that were said to have changed */
  readonly forgotten: string[] = [];
  /** called for each of them */
  onForget: (node: string) => void = () => undefined;

  /** Nodes that have the image, as far as `options` say. */
  have(nodes: readonly string[], options: Partial<NodeImage> = {}): void {
    for (const node of nodes) this.answers.set(node, { kind: "image", image: nodeImage(options) });
  }

  /** Nodes that have not got it. */
  lack(...nodes: readonly string[]): void {
    for (const node of nodes) this.answers.set(node, { kind: "absent" });
  }

  ask(node: string, reference: string, signal: AbortSignal): Promise<AgentAnswer> {
    signal.throwIfAborted();
    this.asked.push(`${node} ${reference}`);
    return Promise.resolve(this.answers.get(node) ?? { kind: "silent", why: "its agent does not answer" });
  }

  async askAll(
    nodes: readonly string[],
    reference: string,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, AgentAnswer>> {
    const answers = nodes.map(async (node) => [node, await this.ask(node, reference, signal)] as const);
    return new Map(await Promise.all(answers));
  }

  forget(node: string): void {
    this.forgotten.push(node);
    this.onForget(node);
  }
}

/** An import under way: the test says how it goes on. */
export interface FakeImport {
  readonly task: ImportTask;
  readonly progress: (bytes: TransferBytes) => void;
  readonly succeed: (outcome?: Partial<ImportOutcome>) => void;
  readonly fail: (error: unknown) => void;
}

/** Imports that go as a test says. */
export class FakeDriver implements ImportDriver {
  readonly imports: FakeImport[] = [];
  /** digests of imports that were cancelled */
  readonly cancelled: string[] = [];
  /** the same with all that was said */
  readonly cancels: ImportTask[] = [];
  /** called for each; what it throws is what the agent answers */
  onCancel: () => void = () => undefined;
  /** "node name digest" of names that were removed */
  readonly removed: string[] = [];

  run(
    task: ImportTask,
    progress: (bytes: TransferBytes) => void,
    signal: AbortSignal,
  ): Promise<ImportOutcome> {
    const { promise, resolve, reject } = Promise.withResolvers<ImportOutcome>();
    const fail = (error: unknown): void => reject(error);
    signal.addEventListener("abort", () => fail(signal.reason), { once: true });
    const succeed = (outcome: Partial<ImportOutcome> = {}): void => resolve({ ...OUTCOME, ...outcome });
    this.imports.push({ task, progress, succeed, fail });
    return promise;
  }

  async cancel(task: ImportTask): Promise<boolean> {
    this.cancelled.push(task.digest);
    this.cancels.push(task);
    this.onCancel();
    return await Promise.resolve(true);
  }

  removeName(node: string, name: string, digest: string): Promise<boolean> {
    this.removed.push(`${node} ${name} ${digest}`);
    return Promise.resolve(true);
  }
}

const OUTCOME: ImportOutcome = {
  bytesTotal: 1000,
  bytesTransferred: 750,
  bytesReused: 250,
  configDigest: DIGEST,
  sources: ["node-a"],
  visible: true,
  message: "",
};
