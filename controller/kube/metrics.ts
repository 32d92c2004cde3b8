import { Counter, Gauge, Histogram, type Registry } from "prom-client";

import type { CallReport } from "./json-caller.ts";
import type { LeaderElector } from "./leader-elector.ts";
import { PRIORITIES } from "./ready-keys.ts";
import type { Versioned } from "./mirror.ts";
import { ENDS, type Reflector, type ReflectorObserver } from "./reflector.ts";
import type { QueueObserver, WorkQueue } from "./work-queue.ts";

/** Seconds. */
const CALL_BUCKETS = [0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 15, 60];
const QUEUE_BUCKETS = [0.001, 0.01, 0.1, 0.5, 1, 5, 15, 60, 300];

/** Metrics of the traffic with the API server; counters that need no label exist at 0 from the start. */
export interface KubeMetrics {
  /** for `ApiClientOptions.onCall` */
  countCall(report: CallReport): void;
  /** @param resource label of the reflector, e.g. "pods" or "agent-pods" */
  reflectorObserver(resource: string): ReflectorObserver;
  /** Shows size and age of a reflector at each scrape. */
  showReflector<T extends Versioned, I extends string>(resource: string, reflector: Reflector<T, I>): void;
  queueObserver(queue: string): QueueObserver;
  /** Shows the depth of a queue at each scrape. */
  showQueue(name: string, queue: WorkQueue): void;
  /** Shows at each scrape whether this process leads. */
  showElector(elector: Pick<LeaderElector, "term">): void;
}

/** Registers the metrics. */
export function createKubeMetrics(registry: Registry): KubeMetrics {
  const registers = [registry];
  const calls = new Counter({
    name: "tote_kube_requests_total",
    help: "requests to the API server by verb, resource and HTTP status, 0 for no answer",
    labelNames: ["verb", "resource", "code"] as const,
    registers,
  });
  const callSeconds = new Histogram({
    name: "tote_kube_request_duration_seconds",
    help: "time until a request to the API server was answered",
    labelNames: ["verb"] as const,
    buckets: CALL_BUCKETS,
    registers,
  });
  const reflectors = reflectorMetrics(registers);
  const queues = queueMetrics(registers);
  return {
    countCall({ verb, resource, status, durationMs }) {
      calls.inc({ verb, resource, code: String(status) });
      callSeconds.observe({ verb }, durationMs / 1000);
    },
    ...reflectors,
    ...queues,
    showElector(elector) {
      new Gauge({
        name: "tote_leader",
        help: "1 while this process is the leader",
        registers,
        collect() {
          this.set(elector.term === undefined ? 0 : 1);
        },
      });
    },
  };
}

function reflectorMetrics(registers: Registry[]): Pick<KubeMetrics, "reflectorObserver" | "showReflector"> {
  const labelNames = ["resource"] as const;
  const events = new Counter({
    name: "tote_watch_events_total",
    help: "events of watches by resource and type",
    labelNames: ["resource", "type"] as const,
    registers,
  });
  const ends = new Counter({
    name: "tote_watch_ends_total",
    help: "lists and watches that have ended, by resource and how",
    labelNames: ["resource", "how"] as const,
    registers,
  });
  const listSeconds = new Histogram({
    name: "tote_list_duration_seconds",
    help: "time to list all objects of a resource",
    labelNames,
    buckets: CALL_BUCKETS,
    registers,
  });
  const shown = new Map<string, { readonly size: () => number; readonly ageMs: () => number }>();
  const objects = new Gauge({
    name: "tote_watch_objects",
    help: "objects known, by resource",
    labelNames,
    registers,
    collect: () => shown.forEach(({ size }, resource) => objects.set({ resource }, size())),
  });
  const age = new Gauge({
    name: "tote_watch_age_seconds",
    help: "time since the API server last gave a list, an event or a bookmark, by resource",
    labelNames,
    registers,
    collect: () => shown.forEach(({ ageMs }, resource) => age.set({ resource }, ageMs() / 1000)),
  });
  return {
    reflectorObserver(resource) {
      for (const how of ENDS) ends.inc({ resource, how }, 0);
      return {
        listed: (durationMs) => listSeconds.observe({ resource }, durationMs / 1000),
        ended: (how) => ends.inc({ resource, how }),
        event: (type) => events.inc({ resource, type }),
      };
    },
    showReflector(resource, reflector) {
      shown.set(resource, { size: () => reflector.store.size, ageMs: () => reflector.ageMs });
    },
  };
}

function queueMetrics(registers: Registry[]): Pick<KubeMetrics, "queueObserver" | "showQueue"> {
  const labelNames = ["queue"] as const;
  const adds = new Counter({ name: "tote_queue_adds_total", help: "keys queued", labelNames, registers });
  const retries = new Counter({
    name: "tote_queue_retries_total",
    help: "keys queued again after a failure",
    labelNames,
    registers,
  });
  const waits = new Histogram({
    name: "tote_queue_wait_seconds",
    help: "time that keys waited before they were worked on",
    labelNames,
    buckets: QUEUE_BUCKETS,
    registers,
  });
  const works = new Histogram({
    name: "tote_queue_work_seconds",
    help: "time that keys were worked on",
    labelNames,
    buckets: QUEUE_BUCKETS,
    registers,
  });
  const shown = new Map<string, WorkQueue>();
  const depth = new Gauge({
    name: "tote_queue_depth",
    help: "keys by queue and state: high, normal and low wait with that priority",
    labelNames: ["queue", "state"] as const,
    registers,
    collect() {
      for (const [queue, { depth: now }] of shown) {
        for (const state of PRIORITIES) depth.set({ queue, state }, now.ready[state]);
        depth.set({ queue, state: "processing" }, now.processing);
        depth.set({ queue, state: "delayed" }, now.delayed);
      }
    },
  });
  const oldest = new Gauge({
    name: "tote_queue_oldest_seconds",
    help: "time that the oldest key has waited",
    labelNames,
    registers,
    collect: () => shown.forEach((queue, name) => oldest.set({ queue: name }, queue.oldestMs / 1000)),
  });
  return {
    queueObserver(queue) {
      adds.inc({ queue }, 0);
      retries.inc({ queue }, 0);
      return {
        added: () => adds.inc({ queue }),
        retried: () => retries.inc({ queue }),
        taken: (waitedMs) => waits.observe({ queue }, waitedMs / 1000),
        done: (workedMs) => works.observe({ queue }, workedMs / 1000),
      };
    },
    showQueue: (name, queue) => void shown.set(name, queue),
  };
}
