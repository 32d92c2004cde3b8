import type { KubeApi } from "../../../controller/kube/kube-api.ts";
import { isAlreadyExists } from "../../../controller/kube/api-error.ts";
import { NODES } from "../../../controller/kube/resources.ts";
import type { ContainerdNode } from "../containerd-node.ts";
import { listImages, type CriImage } from "../cri.ts";
import { hostPlatform } from "../platform.ts";

// Source: kubernetes pkg/kubelet/nodestatus/setters.go

/** images of a node in its status: `--node-status-max-images` */
const MAX_IMAGES = 50;
/** names of an image there: MaxNamesPerImageInNodeStatus */
const MAX_NAMES = 5;

/** What a kubelet says of its node. */
export interface NodeFacts {
  readonly node: ContainerdNode;
  readonly labels: Readonly<Record<string, string>>;
  readonly isReady: boolean;
}

/** Makes the Node if there is none yet. */
export async function registerNode(api: KubeApi, facts: NodeFacts, signal: AbortSignal): Promise<void> {
  const { node, labels } = facts;
  const { os, architecture } = hostPlatform();
  const own = {
    "kubernetes.io/hostname": node.name,
    "kubernetes.io/os": os,
    "kubernetes.io/arch": architecture,
  };
  try {
    await api.create(NODES, { metadata: { name: node.name, labels: { ...own, ...labels } } }, { signal });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    await api.patch(NODES, { name: node.name }, { metadata: { labels: { ...own, ...labels } } }, { signal });
  }
}

/**
 * Writes the status of the Node: whether it is ready, and the images that containerd has now.
 * @param written what was written last; a status that has not changed is not written again
 * @returns what is written now
 */
export async function publishNode(
  api: KubeApi,
  facts: NodeFacts,
  written: string,
  signal: AbortSignal,
): Promise<string> {
  const { node } = facts;
  const { os, architecture } = hostPlatform();
  const images = await imagesOf(node, signal);
  const isReady = facts.isReady && images !== undefined;
  const status = {
    conditions: [
      {
        type: "Ready",
        status: isReady ? "True" : "False",
        reason: isReady ? "KubeletReady" : "KubeletNotReady",
        message: isReady ? "kubelet is posting ready status" : "container runtime is down",
      },
    ],
    nodeInfo: {
      operatingSystem: os,
      architecture,
      containerRuntimeVersion: `containerd://${node.version}`,
      kubeletVersion: "v1.30.0",
    },
    ...(images !== undefined && { images: nodeImages(images) }),
  };
  const text = JSON.stringify(status);
  if (text === written) return written;
  await api.patch(NODES, { name: node.name }, { status }, { signal, subresource: "status" });
  return text;
}

/** What containerd has; undefined when it does not answer. */
async function imagesOf(node: ContainerdNode, signal: AbortSignal): Promise<readonly CriImage[] | undefined> {
  try {
    return await listImages(node, signal);
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

/** The largest images with some of their names, digests first. */
export function nodeImages(
  images: readonly CriImage[],
): readonly { readonly names: readonly string[]; readonly sizeBytes: number }[] {
  return images
    .toSorted((one, other) => other.size - one.size)
    .slice(0, MAX_IMAGES)
    .map(({ repoDigests, repoTags, size }) => ({
      names: [...repoDigests, ...repoTags].slice(0, MAX_NAMES),
      sizeBytes: size,
    }));
}
