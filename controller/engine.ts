import type { Clock } from "../lib/clock.ts";
import { describeError } from "../lib/errors.ts";
import type { Logger } from "../lib/log.ts";
import type { AgentClients } from "./agents/agent-clients.ts";
import type { AgentDirectory } from "./agents/agent-directory.ts";
import type { AgentQuestions } from "./agents/agent-questions.ts";
import type { ImportDriver } from "./agents/import-driver.ts";
import type { ClusterView } from "./cluster-view.ts";
import type { ControllerConfig } from "./config.ts";
import type { FailureWatch } from "./detect/failure-watch.ts";
import { OptInCheck } from "./detect/opt-in-check.ts";
import { OwnerChain } from "./detect/owner-chain.ts";
import type { Priority } from "./detect/opt-in.ts";
import type { KubeApi } from "./kube/kube-api.ts";
import { leaderApi } from "./kube/leader-api.ts";
import type { LeaderTerm } from "./kube/leader-term.ts";
import type { KubeMetrics } from "./kube/metrics.ts";
import { keyOf } from "./kube/resources.ts";
import { WorkQueue } from "./kube/work-queue.ts";
import { runWorkers } from "./kube/workers.ts";
import { Recovery } from "./recover/recovery.ts";
import { EventSayer } from "./report/event-sayer.ts";
import type { ControllerMetrics } from "./report/metrics.ts";
import { Outbox } from "./report/outbox.ts";
import { Overflow } from "./report/overflow.ts";
import type { RelayClient } from "./report/relay-client.ts";
import { AgeWatch } from "./salvage/age-watch.ts";
import { transferLimits } from "./salvage/admission.ts";
import { FirstStatus } from "./salvage/first-status.ts";
import { ImageFinder } from "./salvage/image-finder.ts";
import { Planner } from "./salvage/planner.ts";
import { RecordBook } from "./salvage/record-book.ts";
import { RecordKeeper } from "./salvage/record-keeper.ts";
import { RecordReconciler } from "./salvage/record-reconciler.ts";
import { hasEnded, isReapable } from "./salvage/record-state.ts";
import { StallWatch } from "./salvage/stall-watch.ts";
import { SubjectReconciler } from "./salvage/subject-reconciler.ts";
import { TransferSlots } from "./salvage/transfer-slots.ts";
import { TransferStarter } from "./salvage/transfer-starter.ts";
import { Transfers } from "./salvage/transfers.ts";

/** Keys of one kind that are worked on at the same time. */
const WORKERS = { subjects: 16, records: 32, outbox: 8 } as const;
/** How often records are looked through for those that are stalled or have served their time, in milliseconds. */
const SWEEP_INTERVAL_MS = 30_000;

/** What outlives a term of leadership. */
export interface EngineParts {
  readonly config: ControllerConfig;
  readonly api: KubeApi;
  readonly view: ClusterView;
  readonly failures: FailureWatch;
  readonly directory: AgentDirectory;
  readonly clients: AgentClients;
  readonly questions: AgentQuestions;
  readonly driver: ImportDriver;
  readonly relay: RelayClient | undefined;
  readonly metrics: ControllerMetrics;
  readonly clusterName: string;
  /** the Lease of the election, also where there is none */
  readonly lease: { readonly namespace: string; readonly name: string };
  /** this controller, in Events */
  readonly instance: string;
  readonly clock: Clock;
  /** 0 to 1 */
  readonly random: () => number;
  readonly logger: Logger;
}

/** Queues of a term. */
interface Queues {
  readonly subjects: WorkQueue;
  readonly records: WorkQueue;
  readonly outbox: WorkQueue;
}

/** Makes the queues of a process; one term after the other has its own, and the metrics show the last ones. */
export function createQueues(options: {
  readonly clock: Clock;
  readonly random: () => number;
  readonly metrics: KubeMetrics;
}): () => Queues {
  const { clock, random, metrics } = options;
  function maker(name: keyof Queues): () => WorkQueue {
    const observer = metrics.queueObserver(name);
    return () => {
      const queue = new WorkQueue({ clock, random, observer });
      metrics.showQueue(name, queue);
      return queue;
    };
  }
  const [subjects, records, outbox] = [maker("subjects"), maker("records"), maker("outbox")];
  return () => ({ subjects: subjects(), records: records(), outbox: outbox() });
}

/** All that a leader does, for one term. */
export class Engine {
  readonly #parts: EngineParts;
  readonly #term: LeaderTerm;
  readonly #queues: Queues;
  readonly #book: RecordBook;
  readonly #subjects: SubjectReconciler;
  readonly #records: RecordReconciler;
  readonly #outbox: Outbox;
  readonly #overflow: Overflow;
  readonly #transfers: Transfers;

  constructor(parts: EngineParts, term: LeaderTerm, queues: Queues) {
    this.#parts = parts;
    this.#term = term;
    this.#queues = queues;
    const { config, view, failures, directory, clients, questions, driver, metrics, clock, random, logger } =
      parts;
    const api = leaderApi(parts.api, term);
    const now = (): number => clock.now();
    const monotonic = (): number => clock.monotonic();
    const ages = new AgeWatch({ now, monotonic });
    const book = new RecordBook({ api, store: view.records.store, clock });
    const onRecord = (key: string, priority: Priority): void => queues.records.add(key, priority);
    const onTransition = (key: string): void => queues.outbox.add(key);
    const keeper = new RecordKeeper({ book, metrics, logger: logger.child("record"), onTransition });
    const owners = new OwnerChain({ api, clock, logger });
    const optIn = new OptInCheck({ enabled: config.enabled, namespaces: view.namespaces.store, owners });
    const finder = new ImageFinder({ view, questions, directory });
    const planner = new Planner({
      view,
      finder,
      clients,
      rules: {
        authorisation: config.imageAuthorization,
        maxImageBytes: config.maxImageBytes,
        minFreePercent: config.minFreePercent,
        detectsOnly: config.agents.length === 0 && config.agentNamespace === "",
      },
    });
    const overflow = new Overflow({
      api,
      relay: parts.relay,
      wanted: config.webhookEvents,
      clusterName: parts.clusterName,
      lease: parts.lease,
      instance: parts.instance,
      metrics,
      now,
      logger: logger.child("overflow"),
    });
    const slots = new TransferSlots({
      limits: transferLimits(config.maxConcurrentSalvages),
      onFree: (key, priority) => queues.records.add(key, priority),
    });
    const transfers = new Transfers({
      driver,
      keeper,
      questions,
      now,
      monotonic,
      sleep: (milliseconds, signal) => clock.sleep(milliseconds, signal),
      random,
      logger: logger.child("transfer"),
      again: (key, afterMs) => queues.records.addAfter(key, afterMs),
      signal: term.signal,
    });
    this.#overflow = overflow;
    this.#book = book;
    this.#transfers = transfers;
    this.#subjects = new SubjectReconciler({
      failures,
      optIn,
      finder,
      planner,
      book,
      keeper,
      metrics,
      logger: logger.child("detect"),
      now,
      onRecord,
      overflow,
    });
    this.#records = new RecordReconciler({
      view,
      failures,
      book,
      keeper,
      optIn,
      finder,
      planner,
      firstStatus: new FirstStatus({ view, failures, optIn, book, now }),
      starter: new TransferStarter({ finder, keeper, slots, transfers, epoch: term.epoch }),
      transfers,
      driver,
      questions,
      recovery: new Recovery({ api, pods: view.pods.store, failures, optIn, keeper, now, ages }),
      stalls: new StallWatch({ now, monotonic }),
      ages,
      assertLeading: () => term.assertLeading(),
      logger: logger.child("record"),
    });
    this.#outbox = new Outbox({
      book,
      events: new EventSayer({
        api,
        book,
        failures,
        instance: parts.instance,
        now,
        monotonic,
        logger: logger.child("outbox"),
      }),
      relay: parts.relay,
      wanted: config.webhookEvents,
      clusterName: parts.clusterName,
    });
  }

  /** Pods of this subject have changed. */
  subjectChanged(subject: string): void {
    this.#queues.subjects.add(subject);
  }

  /** A record has changed or is gone. */
  recordChanged(key: string): void {
    if (this.#parts.view.records.store.get(key) === undefined) this.#book.forget(key);
    this.#queues.records.add(key);
    this.#queues.outbox.add(key);
  }

  /** A namespace has changed: who has opted in may be another. */
  namespaceChanged(namespace: string): void {
    for (const subject of this.#parts.failures.subjects()) {
      if (subject.startsWith(`${namespace}\n`)) this.#queues.subjects.add(subject);
    }
    for (const record of this.#book.all()) {
      const { metadata, status } = record;
      if (metadata.namespace === namespace && !hasEnded(status)) this.#queues.records.add(keyOf(metadata));
    }
  }

  /** A node is gone. */
  nodeGone(node: string): void {
    for (const key of this.#parts.view.records.store.findKeys("node", node)) this.#queues.records.add(key);
  }

  /** Works until the term is over and what was begun has ended. Never throws. */
  async run(): Promise<void> {
    const { failures, view, logger } = this.#parts;
    const { subjects, records, outbox } = this.#queues;
    const { signal } = this.#term;
    for (const subject of failures.subjects()) subjects.add(subject);
    for (const key of view.records.store.keys()) this.recordChanged(key);
    const common = { signal, logger };
    await Promise.all([
      runWorkers({
        ...common,
        queue: subjects,
        workers: WORKERS.subjects,
        reconcile: (subject, inner) => this.#subjects.reconcile(subject, inner),
      }),
      runWorkers({
        ...common,
        queue: records,
        workers: WORKERS.records,
        reconcile: (key, inner) => this.#records.reconcile(key, inner),
      }),
      runWorkers({
        ...common,
        queue: outbox,
        workers: WORKERS.outbox,
        reconcile: (key, inner) => this.#outbox.reconcile(key, inner),
      }),
      this.#sweep(signal),
    ]);
    await this.#transfers.settled();
    for (const queue of [subjects, records, outbox]) queue.close();
  }

  async #sweep(signal: AbortSignal): Promise<void> {
    const { config, clock, logger } = this.#parts;
    const { recordTtlMs: ttlMs, webhookEvents: wanted } = config;
    while (!signal.aborted) {
      for (const record of this.#book.all()) {
        if (signal.aborted) return;
        if (!hasEnded(record.status)) this.#queues.records.add(keyOf(record.metadata), "low");
        if (!isReapable(record, { now: clock.now(), ttlMs, wanted })) continue;
        try {
          await this.#book.delete(record, signal);
        } catch (error) {
          logger.warn("record not deleted", { record: keyOf(record.metadata), why: describeError(error) });
        }
      }
      await this.#overflow.say(signal).catch((error: unknown) => {
        if (!signal.aborted) logger.warn("refusals could not be summed up", { error });
      });
      // it ends early for nothing but the signal
      await clock.sleep(SWEEP_INTERVAL_MS, signal).catch(() => undefined);
    }
  }
}
