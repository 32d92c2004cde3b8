import { join } from "node:path";
import { readFile } from "node:fs/promises";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";

import { asObject, asText } from "../../../controller/objects/json.ts";
import { RELEASE_NAMESPACE, SERVICE_ACCOUNT, startCluster } from "../../control/cluster.ts";
import type { ApiServer } from "../../harness/apiserver/types.ts";
import type { Cleanup } from "../../harness/cleanup.ts";
import { startAgentEndpoint, type AgentEndpoint } from "./agent-endpoint.ts";
import {
  agentPod,
  caseOwners,
  casePod,
  nameOfPod,
  namespaceOfPod,
  nodeObject,
  podObject,
} from "./cluster-objects.ts";
import {
  CASE_NAMESPACE,
  caseHolders,
  caseImage,
  caseNode,
  holdings,
  nodeName,
  type ClusterSpec,
} from "./cluster-spec.ts";
import type { WorldCalls, WorldView } from "./world-protocol.ts";

/** From an import's end until its pod runs, as a nudged kubelet takes it, in milliseconds. */
const KUBELET_MS = 100;
const SAMPLE_TIMEOUT_MS = 30_000;
/** Changes of pods are made in portions, so many a second. */
const PORTIONS_PER_SECOND = 20;

/** A made-up cluster that is up: an API server, and the agents of all nodes. */
export class World {
  readonly #spec: ClusterSpec;
  readonly #server: ApiServer;
  readonly #imported = new Set<string>();
  readonly #waiting = new Map<number, (at: number) => void>();
  readonly #caseByDigest: ReadonlyMap<string, number>;
  #endpoint: AgentEndpoint | undefined;

  private constructor(spec: ClusterSpec, server: ApiServer) {
    this.#spec = spec;
    this.#server = server;
    this.#caseByDigest = new Map(
      Array.from({ length: spec.cases }, (_none, index) => [caseImage(index).digest, index] as const),
    );
  }

  /** Starts a cluster of this size. */
  static async start(
    { spec, certDir }: WorldCalls["start"]["ask"],
    cleanup: Cleanup,
  ): Promise<{ readonly world: World; readonly answer: WorldCalls["start"]["answer"] }> {
    const { server } = await startCluster(cleanup);
    const world = new World(spec, server);
    world.#fill();
    const file = (name: string): Promise<string> => readFile(join(certDir, name), "utf8");
    const tls = { cert: await file("tls.crt"), key: await file("tls.key"), ca: await file("ca.crt") };
    world.#endpoint = await startAgentEndpoint({
      cleanup,
      tls,
      world: {
        image: (node, reference) => world.#image(node, reference),
        imported: (node, digest) => world.#importBegan(node, digest),
        isBlackHole: (node) => node >= spec.nodes - spec.blackHoles,
      },
    });
    const kubeconfig = server.kubeconfigPath(SERVICE_ACCOUNT);
    return { world, answer: { kubeconfig, agentPort: world.#endpoint.port } };
  }

  /** Sets the pods of some cases. */
  set({ from, to, state }: WorldCalls["set"]["ask"]): null {
    for (let index = from; index < to; index += 1) this.#server.put(casePod(this.#spec, index, state));
    return null;
  }

  /** Has a pod fail; answers after how many milliseconds the import was called, null when it was not. */
  async sample({ index }: WorldCalls["sample"]["ask"]): Promise<number | null> {
    const { promise, resolve } = Promise.withResolvers<number>();
    this.#waiting.set(index, resolve);
    const failed = performance.now();
    this.#server.put(casePod(this.#spec, index, "ErrImagePull"));
    const ended = new AbortController();
    const late = sleep(SAMPLE_TIMEOUT_MS, null, { signal: ended.signal }).catch(() => null);
    try {
      const called = await Promise.race([promise, late]);
      return called === null ? null : called - failed;
    } finally {
      ended.abort();
      this.#waiting.delete(index);
    }
  }

  /** Changes running pods at a steady pace, one after the other. */
  async update({ perSecond, seconds }: WorldCalls["update"]["ask"]): Promise<number> {
    const { pods, failingEvery } = this.#spec;
    const portion = Math.round(perSecond / PORTIONS_PER_SECOND);
    const start = performance.now();
    let done = 0;
    for (let round = 0; round < seconds * PORTIONS_PER_SECOND; round += 1) {
      for (let at = 0; at < portion; at += 1) {
        // far from each other, and never one that fails
        const pod = (done * 7919 + 1) % pods;
        const object = podObject(this.#spec, pod % failingEvery === 0 ? pod + 1 : pod);
        const annotations = { ...asObject(object.metadata["annotations"]), round: String(round) };
        this.#server.put({ ...object, metadata: { ...object.metadata, annotations } });
        done += 1;
      }
      const due = start + ((round + 1) * 1000) / PORTIONS_PER_SECOND;
      await sleep(Math.max(0, due - performance.now()));
    }
    return done;
  }

  /** What has happened so far. */
  look(): WorldView {
    const asked = this.#endpoint?.asked();
    if (asked === undefined) throw new Error("the agents are not up yet");
    const records: Record<string, number> = {};
    for (const record of this.#server.list("salvagerecords")) {
      const phase = asText(asObject(record["status"])["phase"]);
      records[phase] = (records[phase] ?? 0) + 1;
    }
    const cases = this.#server.list("pods", CASE_NAMESPACE);
    const running = cases.filter((pod) => asObject(pod["status"])["phase"] === "Running").length;
    const { user, system } = process.cpuUsage();
    return { ...asked, records, running, cpuSeconds: (user + system) / 1_000_000 };
  }

  #fill(): void {
    const { nodes, pods, cases, failingCases } = this.#spec;
    const server = this.#server;
    const held = holdings(this.#spec);
    const pod = { apiVersion: "v1", kind: "Pod" };
    server.put({ apiVersion: "v1", kind: "Namespace", metadata: { name: RELEASE_NAMESPACE } });
    const annotations = { "tote.dev/allow": "true" };
    server.put({ apiVersion: "v1", kind: "Namespace", metadata: { name: CASE_NAMESPACE, annotations } });
    server.seed({
      apiVersion: "v1",
      kind: "Node",
      count: nodes,
      key: (at) => ({ name: nodeName(at) }),
      make: (at) => nodeObject(this.#spec, at, held.get(at) ?? []),
    });
    server.seed({
      ...pod,
      count: pods,
      key: (at) => ({ name: nameOfPod(at), namespace: namespaceOfPod(at) }),
      make: (at) => podObject(this.#spec, at),
    });
    for (let at = 0; at < nodes; at += 1) server.put(agentPod(at));
    for (let index = 0; index < cases; index += 1) {
      for (const owner of caseOwners(index)) server.put(owner);
      server.put(casePod(this.#spec, index, index < failingCases ? "ErrImagePull" : "creating"));
    }
  }

  /** The images that agents tell of are those of cases: nobody asks for others. */
  #image(
    node: number,
    reference: string,
  ): ReturnType<Parameters<typeof startAgentEndpoint>[0]["world"]["image"]> {
    const index = this.#caseByDigest.get(reference);
    if (index === undefined) return undefined;
    const isHere =
      caseHolders(this.#spec, index).includes(node) || this.#imported.has(`${node} ${reference}`);
    const { digest, tagged, repository } = caseImage(index);
    return isHere ? { digest, names: [tagged, `${repository}@${digest}`] } : undefined;
  }

  #importBegan(node: number, digest: string): void {
    const index = this.#caseByDigest.get(digest);
    if (index === undefined || caseNode(this.#spec, index) !== node) return;
    this.#imported.add(`${node} ${digest}`);
    this.#waiting.get(index)?.(performance.now());
    setTimeout(() => this.#server.put(casePod(this.#spec, index, "running")), KUBELET_MS);
  }
}
