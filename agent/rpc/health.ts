import { Code, ConnectError, type ConnectRouter, type ServiceImpl } from "@connectrpc/connect";
import {
  Health,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../../proto/gen/grpc/health/v1/health_pb.ts";
import type { Readiness, ReadinessState } from "./readiness.ts";

/** What the health service tells about. */
export interface HealthOptions {
  readonly readiness: Readiness;
  /** full names of the services whose status is the readiness; the server as a whole ("") is always known */
  readonly services: readonly string[];
  /** ends open Watch streams, which would otherwise last as long as their clients and hold up a graceful stop */
  readonly stopping: AbortSignal;
}

/**
 * Registers grpc.health.v1.Health, following one readiness.
 *
 * As the protocol demands, an unknown service is not_found for Check and SERVICE_UNKNOWN for Watch.
 * Source: https://github.com/grpc/grpc/blob/master/doc/health-checking.md
 */
export function registerHealth(router: ConnectRouter, options: HealthOptions): void {
  router.service(Health, createHealthService(options));
}

function createHealthService({ readiness, services, stopping }: HealthOptions): ServiceImpl<typeof Health> {
  const known = new Set(["", ...services]);
  return {
    check({ service }) {
      if (!known.has(service)) {
        throw new ConnectError(
          `no service "${service}" here: known are ${services.join(", ")}`,
          Code.NotFound,
        );
      }
      return { status: statusOf(readiness.state) };
    },
    async *watch({ service }, context) {
      const signal = AbortSignal.any([context.signal, stopping]);
      if (!known.has(service)) yield { status: ServingStatus.SERVICE_UNKNOWN };
      let sent: ServingStatus | undefined;
      for await (const state of readiness.watch(signal)) {
        const status = statusOf(state);
        // Services do not come and go, so that an unknown one never gets another status.
        if (!known.has(service) || status === sent) continue;
        sent = status;
        yield { status };
      }
      if (stopping.aborted) throw new ConnectError("the agent is shutting down", Code.Unavailable);
    },
  };
}

function statusOf(state: ReadinessState): ServingStatus {
  return state.ready ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
}
