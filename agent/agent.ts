import { randomUUID, type X509Certificate } from "node:crypto";

import { Registry } from "prom-client";

import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/log.ts";
import { parseCertificates } from "../lib/pem.ts";
import type { TlsMaterial } from "../lib/tls.ts";
import { Health } from "../proto/gen/grpc/health/v1/health_pb.ts";
import { AgentService } from "../proto/gen/tote/agent/v1/agent_pb.ts";
import type { AgentConfig } from "./config.ts";
import type { Containerd } from "./containerd/types.ts";
import { createSignedGate, openGate } from "./grant-gate.ts";
import { ImageExporter } from "./image/image-exporter.ts";
import { LocalImages } from "./image/local-images.ts";
import { createAgentMetrics, type AgentMetrics } from "./metrics.ts";
import { readNodeFacts } from "./node-facts.ts";
import { POOLED_KEEP, POOLED_MAX_BYTES, POOLED_MIN_BYTES } from "./limits.ts";
import { createArchiveRoute } from "./rpc/archive-route.ts";
import { createAuthInterceptor, createCallerContext, createCallerOf } from "./rpc/auth.ts";
import { registerHealth } from "./rpc/health.ts";
import { createAccessLogInterceptor } from "./rpc/log.ts";
import { createMetricsInterceptor } from "./rpc/metrics.ts";
import { Readiness } from "./rpc/readiness.ts";
import { registerReflection } from "./rpc/reflection.ts";
import type { RpcServerOptions } from "./rpc/server.ts";
import { createAgentService } from "./rpc/service.ts";
import { BlobExporter } from "./transfer/blob-exporter.ts";
import { BlobFetcher } from "./transfer/blob-fetcher.ts";
import { BlobFiller } from "./transfer/blob-filler.ts";
import { BlobImporter } from "./transfer/blob-importer.ts";
import { BufferPool } from "./transfer/buffer-pool.ts";
import { LocalBlobs } from "./transfer/local-blobs.ts";
import { LayerMender } from "./transfer/layer-mender.ts";
import { MetadataReader } from "./transfer/metadata-reader.ts";
import { MetadataReplacer } from "./transfer/metadata-replacer.ts";
import { openBlobStream } from "./transfer/blob-stream.ts";
import { ExportSessions } from "./transfer/export-sessions.ts";
import { ImageImporter } from "./transfer/image-importer.ts";
import { ImageRecorder } from "./transfer/image-recorder.ts";
import { ImportLeases } from "./transfer/import-leases.ts";
import { ImportManager } from "./transfer/import-manager.ts";
import { KeyedLock } from "./transfer/keyed-lock.ts";
import { agentDialOptions, PeerConnections } from "./transfer/peer-connections.ts";
import type { OpenBlob } from "./transfer/peer.ts";
import { Throttle } from "./transfer/throttle.ts";
import { Unpacker } from "./transfer/unpacker.ts";

/** What an agent is built from. */
export interface AgentOptions {
  readonly config: AgentConfig;
  readonly version: string;
  readonly containerd: Containerd;
  readonly clock: Clock;
  readonly logger: Logger;
  /** the TLS material as it is now; undefined with --insecure */
  readonly tls: () => TlsMaterial | undefined;
}

/** An agent's parts that outlive a request. */
export interface Agent {
  readonly registry: Registry;
  readonly metrics: AgentMetrics;
  readonly readiness: Readiness;
  readonly imports: ImportManager;
  readonly sessions: ExportSessions;
  /** what the RPC port serves; `stopping` ends open health watches */
  rpcOptions(
    stopping: AbortSignal,
  ): Pick<RpcServerOptions, "routes" | "fallback" | "interceptors" | "contextValues" | "onSent">;
}

/** Builds all parts of an agent. Starts nothing. */
export function createAgent(options: AgentOptions): Agent {
  const { config, containerd, clock, logger } = options;
  const isInsecure = config.tls === undefined;
  const readFacts = (signal: AbortSignal) => readNodeFacts(containerd, process.arch, { signal });
  const registry = new Registry();
  const readiness = new Readiness("containerd has not answered yet");
  const throttle = () => new Throttle({ bytesPerSecond: config.maxBandwidth, clock });

  const sessions = new ExportSessions({ containerd, logger: logger.child("export"), clock });
  const buffers = new BufferPool({
    minBytes: POOLED_MIN_BYTES,
    maxBytes: POOLED_MAX_BYTES,
    keep: POOLED_KEEP,
  });
  const outgoingThrottle = throttle();
  const { pieceBytes } = outgoingThrottle;
  const reader = new LocalBlobs({ containerd, root: config.containerdRoot, buffers, pieceBytes });
  const images = new LocalImages({ containerd });
  const metrics = createAgentMetrics({
    registry,
    isInsecure,
    activeTransfers: () => imports.active + sessions.streams,
  });
  const countSent = (bytes: number): void => metrics.countBytes("export", bytes);
  const outgoing = { reader, sessions, throttle: outgoingThrottle, readFacts, countBytes: countSent };
  const blobExporter = new BlobExporter({ ...outgoing, containerd, clock });
  const imageExporter = new ImageExporter({ ...outgoing, images });

  const grants = isInsecure
    ? openGate
    : createSignedGate({
        nodeName: config.nodeName,
        clock,
        cas: () => certificatesOf(options.tls()),
        isInUse: (key) => sessions.has(key),
      });
  const connections = new PeerConnections(agentDialOptions(options.tls));
  const openBlob: OpenBlob = (request) => openBlobStream({ ...request, connections, buffers });
  const locks = new KeyedLock();
  const filler = new BlobFiller({
    openBlob,
    throttle: throttle(),
    countBytes: (bytes) => metrics.countBytes("import", bytes),
    clock,
  });
  const fetcher = new BlobFetcher({ containerd, filler, locks, clock });
  const replacer = new MetadataReplacer({ containerd, filler, clock });
  const metadata = new MetadataReader({ containerd, fetcher, replacer, locks, clock });
  const mender = new LayerMender({ containerd, fetcher, locks, clock });
  const unpacker = new Unpacker({ containerd, locks, clock, randomId: randomUUID });
  const imports = new ImportManager({
    containerd,
    importer: new ImageImporter({ containerd, metadata, fetcher, unpacker, mender, clock }),
    recorder: new ImageRecorder({ containerd, clock }),
    leases: new ImportLeases({ containerd, clock }),
    openBlob,
    readFacts,
    logger: logger.child("import"),
    clock,
    orphanGraceMs: config.orphanGraceMs,
    onEnd: (result, durationMs) => metrics.importEnded(result, durationMs),
  });
  const service = createAgentService({
    nodeName: config.nodeName,
    version: options.version,
    insecure: isInsecure,
    containerdRoot: config.containerdRoot,
    containerd,
    readFacts,
    grants,
    images,
    imports,
    blobImporter: new BlobImporter({ containerd, grants, locks, clock }),
    blobExporter,
    imageExporter,
  });
  const callerOf = createCallerOf(isInsecure);

  return {
    registry,
    metrics,
    readiness,
    imports,
    sessions,
    rpcOptions: (stopping) => ({
      routes(router) {
        router.service(AgentService, service);
        registerHealth(router, { readiness, services: [AgentService.typeName], stopping });
        registerReflection(router, [AgentService, Health]);
      },
      fallback: createArchiveRoute({ exporter: imageExporter, callerOf, logger: logger.child("archive") }),
      interceptors: [
        createMetricsInterceptor({ registry, services: [AgentService], now: () => clock.monotonic() }),
        createAccessLogInterceptor({ logger: logger.child("rpc"), now: () => clock.monotonic() }),
        createAuthInterceptor(),
      ],
      contextValues: createCallerContext(callerOf),
      onSent: (bytes) => buffers.giveBack(bytes),
    }),
  };
}

function certificatesOf(material: TlsMaterial | undefined): readonly X509Certificate[] {
  return material === undefined ? [] : parseCertificates(material.ca, "--tls-ca");
}
