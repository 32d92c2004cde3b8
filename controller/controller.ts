import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";

import { Registry } from "prom-client";

import { orAbort } from "../lib/abort.ts";
import type { Clock } from "../lib/clock.ts";
import { errorCode } from "../lib/errors.ts";
import type { Readiness } from "../lib/health-server.ts";
import type { Logger } from "../lib/log.ts";
import type { TlsMaterial } from "../lib/tls.ts";
import { AgentClients } from "./agents/agent-clients.ts";
import { agentsOfPods, fixedAgents, noAgents, type AgentDirectory } from "./agents/agent-directory.ts";
import { CachedQuestions } from "./agents/agent-questions.ts";
import { RpcImportDriver } from "./agents/import-driver.ts";
import { createClusterView, type ClusterView } from "./cluster-view.ts";
import type { ControllerConfig } from "./config.ts";
import { CrdGate } from "./crd-gate.ts";
import { FailureWatch } from "./detect/failure-watch.ts";
import { createQueues, Engine } from "./engine.ts";
import { createEventWatch } from "./event-watch.ts";
import { ApiClient } from "./kube/api-client.ts";
import { SERVICE_ACCOUNT_DIRECTORY, type KubeConnection } from "./kube/kube-config.ts";
import { leadAlone } from "./kube/lead-alone.ts";
import { LeaderElector } from "./kube/leader-elector.ts";
import type { LeaderTerm } from "./kube/leader-term.ts";
import { createKubeMetrics } from "./kube/metrics.ts";
import { EVENTS_READ_MAX_MS } from "./limits.ts";
import { failingNow } from "./report/failing-now.ts";
import { createControllerMetrics } from "./report/metrics.ts";
import { createRelayClient } from "./report/relay-client.ts";

/** What a controller is built from. */
export interface ControllerOptions {
  readonly config: ControllerConfig;
  readonly version: string;
  readonly connection: KubeConnection;
  /** the TLS material as it is now; undefined with --insecure */
  readonly tls: () => TlsMaterial | undefined;
  readonly clock: Clock;
  /** 0 to 1 */
  readonly random: () => number;
  readonly logger: Logger;
}

/** A controller's parts that its process deals with. */
export interface Controller {
  readonly registry: Registry;
  readiness(): Readiness;
  /** New certificates for connections to agents. */
  certificatesChanged(): void;
  /** Watches, and works while it leads, until `signal` fires and what was begun has ended. */
  run(signal: AbortSignal): Promise<void>;
}

/** Builds all parts of a controller. Starts nothing. */
export function createController(options: ControllerOptions): Controller {
  const { config, version, connection, tls, clock, random, logger } = options;
  const registry = new Registry();
  const kubeMetrics = createKubeMetrics(registry);
  const api = new ApiClient({
    connection,
    clock,
    random,
    userAgent: `tote/${version}`,
    onCall: (report) => kubeMetrics.countCall(report),
  });
  const agentNamespace = config.agents.length > 0 ? "" : config.agentNamespace;
  const view = createClusterView({ api, agentNamespace, clock, random, logger, metrics: kubeMetrics });
  const directory = directoryOf(config, view);
  const clients = new AgentClients({ directory, tls });
  const questions = new CachedQuestions({ clients, clock, logger: logger.child("agents") });
  const { grantLifetimeMs } = config;
  const driver = new RpcImportDriver({ clients, directory, tls, clock, grantLifetimeMs });
  const events = createEventWatch({
    api,
    clock,
    random,
    logger,
    metrics: kubeMetrics,
    onEvent: (podKey) => failures.podChanged(podKey),
  });
  const failures: FailureWatch = new FailureWatch({
    pods: view.pods.store,
    clock,
    events: (podUid) => events.about(podUid),
  });
  const metrics = createControllerMetrics({
    registry,
    failingNow: () => failingNow(failures, view.records.store, clock.now()),
  });
  const definition = new CrdGate({ api, clock, logger });
  const { webhook } = config;
  const relay =
    webhook === undefined ? undefined : createRelayClient({ ...webhook, now: () => clock.monotonic() });
  const makeQueues = createQueues({ clock, random, metrics: kubeMetrics });
  const identity = config.identity ?? hostname();
  let engine: Engine | undefined;
  follow(view, failures, clients, questions, () => engine);

  async function lead(
    term: LeaderTerm,
    lease: { readonly namespace: string; readonly name: string },
  ): Promise<void> {
    await definition.passed(term.signal);
    await orAbort(view.synced(), term.signal);
    // some of them say that a registry has refused, where the status has forgotten it
    await atMost(events.read, EVENTS_READ_MAX_MS, clock, term.signal);
    const clusterName = config.clusterName ?? view.namespaces.store.get("kube-system")?.uid ?? "unknown";
    const parts = {
      config,
      api,
      view,
      failures,
      directory,
      clients,
      questions,
      driver,
      relay,
      metrics,
      clusterName,
      lease,
      instance: identity,
      clock,
      random,
      logger,
    };
    engine = new Engine(parts, term, makeQueues());
    try {
      await engine.run();
    } finally {
      engine = undefined;
    }
  }

  return {
    registry,
    readiness: () =>
      definition.problem === "" ? view.readiness() : { ready: false, reason: definition.problem },
    certificatesChanged: () => clients.renew(),
    async run(signal) {
      const watching = new AbortController();
      const watched = Promise.all([view.run(watching.signal), events.run(watching.signal)]);
      try {
        const namespace = config.leaseNamespace ?? (await ownNamespace()) ?? (agentNamespace || "default");
        const lease = { namespace, name: config.leaseName };
        const leadOn = async (term: LeaderTerm): Promise<void> => await lead(term, lease);
        if (config.leaderElect) {
          const elector = new LeaderElector({
            api,
            ...lease,
            identity: `${identity}-${randomBytes(4).toString("hex")}`,
            clock,
            random,
            logger: logger.child("election"),
          });
          kubeMetrics.showElector(elector);
          await elector.run(leadOn, signal);
        } else {
          await leadAlone(leadOn, clock, signal);
        }
      } finally {
        watching.abort();
        await watched;
        failures.close();
        clients.close();
        await relay?.close();
        await connection.close();
      }
    },
  };
}

/** Waits for something, but not for long. @throws the reason of the signal */
async function atMost(
  wait: Promise<void>,
  milliseconds: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const done = new AbortController();
  try {
    await Promise.race([wait, clock.sleep(milliseconds, AbortSignal.any([signal, done.signal]))]);
  } finally {
    done.abort();
  }
}

function directoryOf(config: ControllerConfig, view: ClusterView): AgentDirectory {
  if (config.agents.length > 0) {
    return fixedAgents(new Map(config.agents.map(({ node, endpoint }) => [node, endpoint.url])));
  }
  if (view.agents === undefined) return noAgents;
  return agentsOfPods(view.agents.store, { port: config.agentGrpcPort, insecure: config.insecure });
}

/** Passes on what the watches tell. */
function follow(
  view: ClusterView,
  failures: FailureWatch,
  clients: AgentClients,
  questions: CachedQuestions,
  engine: () => Engine | undefined,
): void {
  const each = (handler: (key: string) => void) => ({ added: handler, updated: handler, deleted: handler });
  failures.onChange((subject) => engine()?.subjectChanged(subject));
  view.pods.subscribe(each((key) => failures.podChanged(key)));
  view.records.subscribe(each((key) => engine()?.recordChanged(key)));
  view.namespaces.subscribe(each((name) => engine()?.namespaceChanged(name)));
  // among what a node's status tells are its images
  view.nodes.subscribe({
    updated: (name) => questions.forget(name),
    deleted: (name) => engine()?.nodeGone(name),
  });
  view.agents?.subscribe(
    each((key) => {
      clients.prune();
      const node = view.agents?.store.get(key)?.nodeName;
      if (node !== undefined) questions.forget(node);
    }),
  );
}

/** The namespace of the pod that this process runs in; undefined outside of a cluster. */
async function ownNamespace(): Promise<string | undefined> {
  try {
    return (await readFile(join(SERVICE_ACCOUNT_DIRECTORY, "namespace"), "utf8")).trim();
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
