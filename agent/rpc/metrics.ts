import type { DescService } from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import { Counter, Histogram, type Registry } from "prom-client";
import { createObserver } from "./observe.ts";

/** Seconds. Unary calls take milliseconds, transfers of large layers many minutes. */
const DURATION_BUCKETS = [0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 1800];

/** What the metrics are about and where they go. */
export interface RpcMetricsOptions {
  readonly registry: Registry;
  /** services whose methods become labels; calls of any other method count as "unknown" */
  readonly services: readonly DescService[];
  /** milliseconds of a clock that never goes back */
  readonly now: () => number;
}

/**
 * Makes the interceptor that counts and times calls: `tote_agent_rpc_requests_total{method,code}` and
 * `tote_agent_rpc_duration_seconds{method}`. A stream counts when it has ended; one that its client left is "canceled".
 */
export function createMetricsInterceptor({ registry, services, now }: RpcMetricsOptions): Interceptor {
  const requests = new Counter({
    name: "tote_agent_rpc_requests_total",
    help: "RPCs that have ended, by method and Connect code",
    labelNames: ["method", "code"] as const,
    registers: [registry],
  });
  const duration = new Histogram({
    name: "tote_agent_rpc_duration_seconds",
    help: "time from the start of an RPC to its end, for a stream its last message",
    labelNames: ["method"] as const,
    buckets: DURATION_BUCKETS,
    registers: [registry],
  });
  const known = new Set(services.flatMap((service) => service.methods));
  // A series that exists before its first call lets rate() see that call.
  for (const { name } of known) requests.inc({ method: name, code: "ok" }, 0);

  return createObserver((call) => {
    const method = known.has(call.method) ? call.method.name : "unknown";
    const started = now();
    return ({ code }) => {
      requests.inc({ method, code });
      duration.observe({ method }, (now() - started) / 1000);
    };
  });
}
