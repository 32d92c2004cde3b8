import { Code, ConnectError, type ConnectRouter, type Interceptor } from "@connectrpc/connect";
import { Registry } from "prom-client";

import { createAuthority, type Identity, issueCertificate } from "../../lib/certs.ts";
import type { LogFields, Logger } from "../../lib/log.ts";
import { clientTlsOptions, type TlsMaterial } from "../../lib/tls.ts";
import { ROLES, type Role } from "../../lib/roles.ts";
import { Health } from "../../proto/gen/grpc/health/v1/health_pb.ts";
import { AgentService } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { createAuthInterceptor, createCallerContext, createCallerOf } from "./auth.ts";
import { registerHealth } from "./health.ts";
import { RPC_LIMITS, type RpcLimits } from "./limits.ts";
import { createAccessLogInterceptor } from "./log.ts";
import { createMetricsInterceptor } from "./metrics.ts";
import { Readiness } from "./readiness.ts";
import { registerReflection } from "./reflection.ts";
import { type RpcServer, startRpcServer } from "./server.ts";

/** A line that a recording logger got. */
export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: LogFields;
}

/** A logger for tests that keeps its lines. */
export function createRecordingLogger(lines: LogLine[]): Logger {
  const at =
    (level: string) =>
    (message: string, fields: LogFields = {}) => {
      lines.push({ level, message, fields });
    };
  const logger: Logger = {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: () => logger,
  };
  return logger;
}

/** A made-up agent behind the real RPC port, for tests of that port. */
export interface FakeAgent {
  readonly server: RpcServer;
  readonly url: string;
  readonly logs: LogLine[];
  readonly registry: Registry;
  readonly readiness: Readiness;
  /** what ended and how, in order, e.g. "exportBlob finally" */
  readonly events: string[];
  /** messages that ExportBlob handlers were asked for so far */
  produced(): number;
  /** aborts to end every call at once */
  readonly shutdown: AbortController;
  /** aborts to end health watches */
  readonly stopping: AbortController;
  close(): Promise<void>;
}

/** What a test changes about its agent. */
export interface FakeAgentOptions {
  readonly tls?: TlsMaterial;
  readonly limits?: Partial<RpcLimits>;
  /** further interceptors, innermost */
  readonly interceptors?: readonly Interceptor[];
  readonly port?: number;
}

function now(): number {
  return performance.now();
}

/** Starts a made-up agent on a free port of the loopback address. */
export async function startFakeAgent(options: FakeAgentOptions = {}): Promise<FakeAgent> {
  const logs: LogLine[] = [];
  const events: string[] = [];
  const counter = { produced: 0 };
  const registry = new Registry();
  const readiness = new Readiness("starting");
  readiness.setReady();
  const shutdown = new AbortController();
  const stopping = new AbortController();
  const logger = createRecordingLogger(logs);
  const insecure = options.tls === undefined;
  const server = await startRpcServer({
    host: "127.0.0.1",
    port: options.port ?? 0,
    ...(options.tls === undefined ? {} : { tls: options.tls }),
    insecure,
    routes(router) {
      registerFakeService(router, events, counter);
      registerHealth(router, { readiness, services: [AgentService.typeName], stopping: stopping.signal });
      registerReflection(router, [AgentService, Health]);
    },
    fallback(req, res) {
      if (req.url === "/throws") throw new Error("a defect");
      res.writeHead(404, { "content-type": "text/plain" });
      res.end(`nothing at ${req.url}`);
    },
    interceptors: [
      createMetricsInterceptor({ registry, services: [AgentService], now }),
      createAccessLogInterceptor({ logger, now }),
      createAuthInterceptor(),
      ...(options.interceptors ?? []),
    ],
    contextValues: createCallerContext(createCallerOf(insecure)),
    logger,
    shutdownSignal: shutdown.signal,
    limits: { ...RPC_LIMITS, ...options.limits },
  });
  return {
    server,
    url: `${insecure ? "http" : "https"}://127.0.0.1:${server.port}`,
    logs,
    registry,
    readiness,
    events,
    produced: () => counter.produced,
    shutdown,
    stopping,
    close: () => server.close({ graceMs: 0 }),
  };
}

/**
 * The digest of an ExportBlob request says what the fake does: "count" sends `offset` messages of 1 KiB, "large" of 1
 * MiB, "endless" goes on until it is left, "silent" sends the size and then nothing, "late" fails after two messages.
 */
function registerFakeService(router: ConnectRouter, events: string[], counter: { produced: number }): void {
  router.service(AgentService, {
    getNode: () => ({ nodeName: "node-a", keepsLayers: true }),
    listImages: ({ pageSize }) => ({ images: [], nextPageToken: `after ${pageSize}` }),
    resolveImage({ reference }) {
      if (reference === "broken") throw new Error("password is hunter2");
      throw new ConnectError(`no image "${reference}" on this node`, Code.NotFound);
    },
    async *exportBlob({ digest, offset }, { signal }) {
      try {
        const bytes = digest === "large" ? 1024 * 1024 : 1024;
        const count = digest === "endless" ? Number.POSITIVE_INFINITY : Number(offset);
        yield { size: BigInt(Number.isFinite(count) ? count * bytes : 0) };
        if (digest === "silent") await aborted(signal);
        for (let index = 0; index < count; index += 1) {
          if (digest === "late" && index === 2)
            throw new ConnectError("sha256:a is not sha256:b", Code.DataLoss);
          counter.produced += 1;
          yield { data: Buffer.alloc(bytes, index) };
          if (digest === "slow") await pause(20);
        }
        events.push("exportBlob done");
      } finally {
        events.push("exportBlob finally");
      }
    },
    async importBlob(requests) {
      let bytes = 0;
      for await (const { part } of requests) {
        if (part.case === "header" && part.value.digest === "refuse") {
          throw new ConnectError("no such grant", Code.PermissionDenied);
        }
        if (part.case === "data") bytes += part.value.byteLength;
      }
      return { committed: true, offset: BigInt(bytes) };
    },
    async *exportImage() {
      yield { data: Buffer.from("tar") };
    },
    async *importImage({ names }) {
      for (const name of names) yield { event: { case: "result", value: { digest: name } } };
    },
    cancelImport: () => ({ cancelled: true }),
    removeImage: () => ({ removed: true }),
  });
}

/** A CA of a test and certificates from it. */
export interface TestPki {
  readonly ca: Identity;
  /** a certificate with these DNS names, and the CA to trust */
  issue(...dnsNames: string[]): Promise<TlsMaterial>;
}

/** Makes a CA whose certificates are valid for an hour. */
export async function createTestPki(): Promise<TestPki> {
  const notBefore = Date.now() - 60_000;
  const validity = { notBefore, notAfter: notBefore + 3_600_000 };
  const ca = await createAuthority({ commonName: "test", ...validity });
  return {
    ca,
    async issue(...dnsNames) {
      return { ...(await issueCertificate(ca, { dnsNames, ...validity })), ca: ca.cert };
    },
  };
}

/** TLS options of connect-node, node:https and node:tls to dial a fake agent in a role. */
export function dialOptions(
  material: TlsMaterial,
  expected: Role = ROLES.agent,
): ReturnType<typeof clientTlsOptions> {
  return clientTlsOptions(material, expected);
}

/** Resolves after real milliseconds: for what happens in other processes and sockets. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/** Everything that a stream yields. */
export async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

/** Runs a call that must fail with a ConnectError, and returns that. */
export async function rejection(call: () => Promise<unknown>): Promise<ConnectError> {
  try {
    await call();
  } catch (error) {
    if (error instanceof ConnectError) return error;
    throw error;
  }
  throw new Error("the call did not fail");
}

/** Waits until something is true, for at most five seconds. */
export async function eventually(isTrue: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 5_000;
  while (!isTrue()) {
    if (performance.now() > deadline) throw new Error(`not within 5 s: ${what}`);
    await pause(5);
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
