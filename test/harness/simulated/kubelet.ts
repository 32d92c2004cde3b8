import { InvalidValueError } from "../../../lib/errors.ts";
import { parseReference } from "../../../lib/reference.ts";
import { asText, fieldAt } from "../apiserver/json.ts";
import type { ApiServer, ServedObject } from "../apiserver/types.ts";
import type { Cleanup } from "../cleanup.ts";
import {
  podStatus,
  readPod,
  type ContainerSpec,
  type ContainerState,
  type PodSpec,
} from "../kubelet/pod-status.ts";
import type { Fleet } from "./fleet.ts";
import type { SimulatedImage } from "./image.ts";
import type { NamedImage } from "./replies.ts";

/** Options of startKubelets. */
export interface KubeletsOptions {
  readonly server: ApiServer;
  readonly fleet: Fleet;
  readonly cleanup: Cleanup;
}

/** The kubelets of a fleet's nodes. */
export interface Kubelets {
  /** Says which images the nodes have, as kubelets do now and then: agents are asked less then. */
  publishImages(): void;
  /** Says whether a node is ready. */
  setReady(node: string, isReady: boolean): void;
  /** What pulls fail with from now on; at first the registry cannot be reached. */
  failWith(message: (image: string) => string): void;
  /** Looks at every pod again, as when back-off has ended. */
  retry(): void;
}

/** Pause between two looks at what has changed, in milliseconds. */
const LOOK_MS = 20;
const ARCHITECTURE = "amd64";
/** Pods of tote itself are left alone: tests write their status. */
const OWN_NAMESPACE = "tote";

/**
 * Plays the kubelets of all nodes: registers them, and says of each pod whether its images are there, by asking the node's
 * agent. A pod that waits is looked at again when it changes, and never by itself.
 */
export function startKubelets({ server, fleet, cleanup }: KubeletsOptions): Kubelets {
  /** by uid of the pod: what it looked like when it was looked at last */
  const marks = new Map<string, string>();
  /** objects that have been looked at: the server replaces what changes */
  let looked = new WeakSet<ServedObject>();
  const nodes = new Set(fleet.agents.map(({ node }) => node));
  const published = new Set<string>();
  let pullError = unreachable;

  function setReady(name: string, isReady: boolean): void {
    const known = server.get("nodes", name);
    server.put({
      apiVersion: "v1",
      kind: "Node",
      metadata: known?.metadata ?? { name, labels: { "kubernetes.io/hostname": name } },
      status: {
        conditions: [{ type: "Ready", status: isReady ? "True" : "False" }],
        nodeInfo: {
          operatingSystem: "linux",
          architecture: ARCHITECTURE,
          containerRuntimeVersion: "containerd://1.7.24",
        },
        images: published.has(name) ? nodeImages(fleet.agent(name).images) : [],
      },
    });
  }

  function look(): void {
    for (const object of server.list("pods")) {
      if (looked.has(object)) continue;
      looked.add(object);
      const node = asText(fieldAt(object, "spec.nodeName"));
      if (!nodes.has(node) || object.metadata.namespace === OWN_NAMESPACE) continue;
      const pod = readPod(object);
      if (pod.isDeleting || marks.get(pod.uid) === pod.mark) continue;
      marks.set(pod.uid, pod.mark);
      write(object, pod, node);
    }
  }

  function write(object: ServedObject, pod: PodSpec, node: string): void {
    const states = new Map<string, ContainerState>();
    for (const container of pod.init) {
      const state = stateOf(container, node, "completed");
      states.set(container.name, state);
      if (state.kind === "waiting") break;
    }
    const isInitialized = pod.init.every(({ name }) => states.get(name)?.kind === "completed");
    if (isInitialized) {
      for (const one of [...pod.main, ...pod.ephemeral]) states.set(one.name, stateOf(one, node, "running"));
    }
    const { apiVersion, kind, metadata } = object;
    const status = podStatus(pod, states, "2026-01-01T00:00:00Z");
    if (JSON.stringify(status) === JSON.stringify(object["status"])) return;
    server.put({ ...object, apiVersion, kind, metadata: { ...metadata }, status });
  }

  function stateOf(container: ContainerSpec, node: string, fine: "running" | "completed"): ContainerState {
    const { image } = container;
    const name = repositoryOf(image);
    if (name === undefined) {
      const message = `Failed to apply default image tag "${image}": couldn't parse image reference "${image}": invalid reference format`;
      return { kind: "waiting", reason: "InvalidImageName", message };
    }
    const found = fleet.agent(node).find(image);
    if (found === undefined || container.pullPolicy === "Always") {
      return { kind: "waiting", reason: "ErrImagePull", message: pullError(image) };
    }
    if (found.isDamaged)
      return { kind: "waiting", reason: "CreateContainerError", message: contentMissing(found.image) };
    const repoDigests = [`${name}@${found.image.digest}`];
    const cri = { id: found.image.configDigest, repoTags: [image], repoDigests, size: 0, pinned: false };
    return { kind: fine, since: "2026-01-01T00:00:00Z", image: cri };
  }

  for (const node of nodes) setReady(node, true);
  const timer = setInterval(look, LOOK_MS);
  cleanup.add({
    name: "stop the kubelets",
    undo: async () => {
      clearInterval(timer);
      await Promise.resolve();
    },
  });
  return {
    publishImages() {
      for (const node of nodes) {
        published.add(node);
        setReady(node, true);
      }
    },
    setReady,
    failWith(message) {
      pullError = message;
    },
    retry() {
      marks.clear();
      looked = new WeakSet();
    },
  };
}

function nodeImages(
  images: readonly NamedImage[],
): readonly { readonly names: readonly string[]; readonly sizeBytes: number }[] {
  return images.map(({ image, names }) => {
    const tags = [...names];
    const digests = tags.flatMap((name) => repositoryOf(name) ?? []).map((name) => `${name}@${image.digest}`);
    return { names: [...digests, ...tags], sizeBytes: image.bytes };
  });
}

/** The text of containerd 1.6 for a registry that is down. */
function unreachable(image: string): string {
  return `rpc error: code = Unknown desc = failed to pull and unpack image "${image}": failed to resolve reference "${image}": failed to do request: Head "https://images.test/v2/": dial tcp 192.0.2.1:443: connect: connection refused`;
}

/** The text of containerd 1.6 for an image whose layer is gone. */
function contentMissing({ blobs }: SimulatedImage): string {
  const gone = blobs.at(-1)?.digest ?? "";
  return `failed to create containerd container: error unpacking image: failed to extract layer ${gone}: failed to get reader from content store: content digest ${gone}: not found`;
}

function repositoryOf(image: string): string | undefined {
  try {
    return parseReference(image).repository;
  } catch (error) {
    if (error instanceof InvalidValueError) return undefined;
    throw error;
  }
}
