import { Counter, Gauge, Histogram, type Registry } from "prom-client";

/** Seconds; the same as the controller's salvage durations. */
const DURATION_BUCKETS = [0.5, 1, 2, 5, 10, 30, 60, 120, 300];

/** What the agent counts besides its RPCs. */
export interface AgentMetrics {
  /** bytes of blobs and archives, as they come and go */
  countBytes(direction: "import" | "export", bytes: number): void;
  /** an import ended: "committed", "failed", "cancelled" or "retryable" */
  importEnded(result: string, durationMs: number): void;
  /** whether containerd answers */
  containerdUp(isUp: boolean): void;
}

/** Registers the agent's metrics; counters exist at 0 from the start. */
export function createAgentMetrics(options: {
  readonly registry: Registry;
  readonly isInsecure: boolean;
  /** imports and exports that run now; asked at each scrape */
  readonly activeTransfers: () => number;
}): AgentMetrics {
  const registers = [options.registry];
  const bytes = new Counter({
    name: "tote_agent_transfer_bytes_total",
    help: "bytes of images received from and sent to others, by direction",
    labelNames: ["direction"] as const,
    registers,
  });
  for (const direction of ["import", "export"] as const) bytes.inc({ direction }, 0);
  const imports = new Counter({
    name: "tote_agent_imports_total",
    help: "image imports that have ended, by result",
    labelNames: ["result"] as const,
    registers,
  });
  for (const result of ["committed", "failed", "cancelled", "retryable"]) imports.inc({ result }, 0);
  const duration = new Histogram({
    name: "tote_agent_import_duration_seconds",
    help: "time from the start of an image import to its end",
    buckets: DURATION_BUCKETS,
    registers,
  });
  const up = new Gauge({ name: "tote_agent_containerd_up", help: "1 while containerd answers", registers });
  const insecure = new Gauge({
    name: "tote_agent_insecure",
    help: "1 when the agent runs without TLS",
    registers,
  });
  insecure.set(options.isInsecure ? 1 : 0);
  new Gauge({
    name: "tote_agent_active_transfers",
    help: "imports and exports that run now",
    registers,
    collect() {
      this.set(options.activeTransfers());
    },
  });
  return {
    countBytes: (direction, count) => bytes.inc({ direction }, count),
    importEnded(result, durationMs) {
      imports.inc({ result });
      duration.observe(durationMs / 1000);
    },
    containerdUp: (isUp) => up.set(isUp ? 1 : 0),
  };
}
