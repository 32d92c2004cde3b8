import { Counter, Gauge, Histogram, type Registry } from "prom-client";

/** Seconds; those of the original tote. */
const DURATION_BUCKETS = [0.5, 1, 2, 5, 10, 30, 60, 120, 300];
/** Seconds, for questions to a registry; those of the original tote. */
const REGISTRY_BUCKETS = [0.1, 0.25, 0.5, 1, 2, 5];

/** What becomes of a container that fails, in the label `state` of `tote_failing_containers`. */
export const FAILING_STATES = [
  /** not opted in: seen and left alone */
  "ignored",
  /** waits for its turn, or is being looked into */
  "pending",
  "transferring",
  /** the image is there, the kubelet has not started it yet */
  "recovering",
  "not_actionable",
  "failed",
] as const;
export type FailingState = (typeof FAILING_STATES)[number];

/** Failing containers at the time of a scrape. */
export interface FailingNow {
  readonly counts: Readonly<Record<FailingState, number>>;
  /** of the oldest failure, in milliseconds; 0 when nothing fails */
  readonly oldestAgeMs: number;
}

/** What the controller counts. Names are those that alerts and dashboards of the original tote use. */
export interface ControllerMetrics {
  /** a failure was seen for the first time */
  detected(): void;
  /** its image was found on nodes and may be moved */
  salvageable(): void;
  notActionable(): void;
  corrupt(): void;
  attempt(): void;
  /** an image is there and visible; from the start of the first attempt */
  salvaged(durationMs: number): void;
  salvageFailed(): void;
  /** a container started; from its image being visible */
  recovered(latencyMs: number): void;
  pushAttempt(): void;
  pushed(durationMs: number): void;
  pushFailed(): void;
  registryResolved(result: "success" | "failure" | "not_found", durationMs: number): void;
}

/**
 * Registers the controller's metrics; counters exist at 0 from the start.
 * @param options.failingNow asked at each scrape
 */
export function createControllerMetrics(options: {
  readonly registry: Registry;
  readonly failingNow: () => FailingNow;
}): ControllerMetrics {
  const registers = [options.registry];
  const counter = (name: string, help: string): Counter => new Counter({ name, help, registers });
  const histogram = (name: string, help: string, buckets: number[]): Histogram =>
    new Histogram({ name, help, buckets, registers });

  const detected = counter("tote_detected_failures_total", "image failures seen, each episode once");
  const salvageable = counter("tote_salvageable_images_total", "failures whose image was found on nodes");
  const notActionable = counter("tote_not_actionable_total", "failures that tote cannot or must not help");
  const corrupt = counter("tote_corrupt_images_total", "images whose record was there and content was not");
  const attempts = counter("tote_salvage_attempts_total", "attempts to move an image");
  const successes = counter("tote_salvage_successes_total", "images moved and visible to the kubelet");
  const failures = counter("tote_salvage_failures_total", "salvages that failed for good");
  const pushAttempts = counter("tote_push_attempts_total", "attempts to push to the backup registry");
  const pushSuccesses = counter("tote_push_successes_total", "pushes to the backup registry");
  const pushFailures = counter("tote_push_failures_total", "pushes to the backup registry that failed");
  const salvageDuration = histogram(
    "tote_salvage_duration_seconds",
    "from the first attempt to the image being visible",
    DURATION_BUCKETS,
  );
  const pushDuration = histogram(
    "tote_push_duration_seconds",
    "time of a push to the backup registry",
    DURATION_BUCKETS,
  );
  const recovery = histogram(
    "tote_recovery_duration_seconds",
    "from the image being visible to the container having started",
    DURATION_BUCKETS,
  );
  const resolved = new Counter({
    name: "tote_registry_resolve_total",
    help: "tags looked up in source registries, by result",
    labelNames: ["result"] as const,
    registers,
  });
  for (const result of ["success", "failure", "not_found"] as const) resolved.inc({ result }, 0);
  const resolveDuration = histogram(
    "tote_registry_resolve_duration_seconds",
    "time of looking a tag up in a source registry",
    REGISTRY_BUCKETS,
  );
  registerGauges(options);
  return {
    detected: () => detected.inc(),
    salvageable: () => salvageable.inc(),
    notActionable: () => notActionable.inc(),
    corrupt: () => corrupt.inc(),
    attempt: () => attempts.inc(),
    salvaged(durationMs) {
      successes.inc();
      salvageDuration.observe(durationMs / 1000);
    },
    salvageFailed: () => failures.inc(),
    recovered: (latencyMs) => recovery.observe(latencyMs / 1000),
    pushAttempt: () => pushAttempts.inc(),
    pushed(durationMs) {
      pushSuccesses.inc();
      pushDuration.observe(durationMs / 1000);
    },
    pushFailed: () => pushFailures.inc(),
    registryResolved(result, durationMs) {
      resolved.inc({ result });
      resolveDuration.observe(durationMs / 1000);
    },
  };
}

function registerGauges({
  registry,
  failingNow,
}: {
  readonly registry: Registry;
  readonly failingNow: () => FailingNow;
}): void {
  new Gauge({
    name: "tote_failing_containers",
    help: "containers that cannot start because of an image now, by what becomes of them",
    labelNames: ["state"] as const,
    registers: [registry],
    collect() {
      const { counts } = failingNow();
      for (const state of FAILING_STATES) this.set({ state }, counts[state]);
    },
  });
  new Gauge({
    name: "tote_oldest_failure_age_seconds",
    help: "age of the oldest failure that lasts; 0 when there is none",
    registers: [registry],
    collect() {
      this.set(failingNow().oldestAgeMs / 1000);
    },
  });
}
