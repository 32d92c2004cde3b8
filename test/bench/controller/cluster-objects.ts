/** Kubernetes objects of a made-up cluster, as large as real ones. Pure. */

import type { ObjectInput } from "../../harness/apiserver/types.ts";
import {
  CASE_NAMESPACE,
  caseImage,
  caseNode,
  COMMON_IMAGES,
  commonImage,
  imagesOfNode,
  madeDigest,
  NAMESPACE_COUNT,
  nodeAddress,
  nodeName,
  PODS_PER_OWNER,
  type ClusterSpec,
  type MadeImage,
} from "./cluster-spec.ts";

const TIME = "2026-01-01T00:00:00Z";
/** What a kubelet says when nobody answers at the registry. */
const PULL_ERROR =
  'failed to pull and unpack image: failed to resolve reference: failed to do request: Head "https://images.test/v2/": dial tcp 192.0.2.1:443: connect: connection refused';

/** As the API server keeps it of every object: for us nothing but weight. */
const MANAGED_FIELDS: readonly object[] = [
  {
    manager: "kube-controller-manager",
    operation: "Update",
    apiVersion: "v1",
    time: TIME,
    fieldsV1: Object.fromEntries(
      Array.from({ length: 10 }, (_none, at) => [`f:${madeDigest(String(at)).slice(7, 39)}`, { ".": {} }]),
    ),
  },
];

/** What the container of a pod does. */
export type PodState = "creating" | "ErrImagePull" | "ImagePullBackOff" | "running";

/** The name of a pod that is no case. */
export function nameOfPod(pod: number): string {
  return `service-${Math.floor(pod / PODS_PER_OWNER)}-7d9c5b6f4-${pod}`;
}

/** The namespace of a pod that is no case. */
export function namespaceOfPod(pod: number): string {
  return `team-${Math.floor(pod / PODS_PER_OWNER) % NAMESPACE_COUNT}`;
}

/** A Node with its images. */
export function nodeObject(spec: ClusterSpec, node: number, cases: readonly number[]): ObjectInput {
  const name = nodeName(node);
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name,
      labels: {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "node.kubernetes.io/instance-type": "m6i.4xlarge",
        "topology.kubernetes.io/zone": `zone-${node % 3}`,
      },
      managedFields: MANAGED_FIELDS,
    },
    spec: { podCIDR: "10.0.0.0/24", providerID: `aws:///zone-${node % 3}/i-${node}` },
    status: {
      conditions: ["MemoryPressure", "DiskPressure", "PIDPressure", "Ready"].map((type) => ({
        type,
        status: type === "Ready" ? "True" : "False",
        lastHeartbeatTime: TIME,
        lastTransitionTime: TIME,
        reason: `Kubelet${type}`,
        message: `kubelet has said so about ${type}`,
      })),
      nodeInfo: {
        containerRuntimeVersion: "containerd://1.7.24",
        kubeletVersion: "v1.31.4",
        operatingSystem: "linux",
        architecture: "amd64",
      },
      images: imagesOfNode(spec, node, cases).map(({ repository, tagged, digest }) => ({
        names: [`${repository}@${digest}`, tagged],
        sizeBytes: 123_456_789,
      })),
    },
  };
}

/** A pod that is no case, as one of ten of a ReplicaSet. */
export function podObject(spec: ClusterSpec, pod: number): ObjectInput {
  const owner = Math.floor(pod / PODS_PER_OWNER);
  return madePod({
    name: nameOfPod(pod),
    namespace: namespaceOfPod(pod),
    owner: { name: `service-${owner}-7d9c5b6f4`, uid: `rs-${owner}` },
    node: pod % spec.nodes,
    image: commonImage(owner % COMMON_IMAGES),
    state: pod % spec.failingEvery === 0 ? "ImagePullBackOff" : "running",
  });
}

/** The pod of a case. */
export function casePod(spec: ClusterSpec, index: number, state: PodState): ObjectInput {
  return madePod({
    name: `case-${index}-5d-x1`,
    namespace: CASE_NAMESPACE,
    owner: { name: `case-${index}-5d`, uid: `case-rs-${index}` },
    node: caseNode(spec, index),
    image: caseImage(index),
    state,
  });
}

/** The Deployment and the ReplicaSet of a case: the Deployment asks for tote. */
export function caseOwners(index: number): readonly ObjectInput[] {
  const deployment = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    name: `case-${index}`,
    uid: `case-d-${index}`,
  };
  const metadata = { namespace: CASE_NAMESPACE };
  return [
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: {
        ...metadata,
        name: deployment.name,
        uid: deployment.uid,
        annotations: { "tote.dev/auto-salvage": "true" },
      },
    },
    {
      apiVersion: "apps/v1",
      kind: "ReplicaSet",
      metadata: {
        ...metadata,
        name: `case-${index}-5d`,
        uid: `case-rs-${index}`,
        ownerReferences: [{ ...deployment, controller: true, blockOwnerDeletion: true }],
      },
    },
  ];
}

/** The agent's pod on a node. */
export function agentPod(node: number): ObjectInput {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: `tote-agent-${node}`,
      namespace: "tote",
      labels: { "app.kubernetes.io/name": "tote", "app.kubernetes.io/component": "agent" },
    },
    spec: { nodeName: nodeName(node), containers: [{ name: "agent", image: "tote:v1" }] },
    status: {
      phase: "Running",
      podIP: nodeAddress(node),
      conditions: [{ type: "Ready", status: "True", lastTransitionTime: TIME }],
    },
  };
}

function madePod(options: {
  readonly name: string;
  readonly namespace: string;
  readonly owner: { readonly name: string; readonly uid: string };
  readonly node: number;
  readonly image: MadeImage;
  readonly state: PodState;
}): ObjectInput {
  const { name, namespace, owner, node, image, state } = options;
  const reference = { apiVersion: "apps/v1", kind: "ReplicaSet", controller: true, blockOwnerDeletion: true };
  const isRunning = state === "running";
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace,
      generateName: `${owner.name}-`,
      labels: { app: owner.name, "pod-template-hash": "7d9c5b6f4", team: namespace, tier: "backend" },
      annotations: { "prometheus.io/scrape": "true", "prometheus.io/port": "8080" },
      ownerReferences: [{ ...reference, ...owner }],
      managedFields: MANAGED_FIELDS,
    },
    spec: {
      nodeName: nodeName(node),
      serviceAccountName: "default",
      volumes: [
        { name: "kube-api-access", projected: { sources: [{ serviceAccountToken: { path: "token" } }] } },
      ],
      containers: [
        {
          name: "app",
          image: image.tagged,
          imagePullPolicy: "IfNotPresent",
          env: Array.from({ length: 12 }, (_none, at) => ({ name: `SETTING_${at}`, value: `${name}-${at}` })),
          resources: { requests: { cpu: "100m", memory: "128Mi" }, limits: { memory: "256Mi" } },
          volumeMounts: [
            { name: "kube-api-access", mountPath: "/var/run/secrets/kubernetes.io/serviceaccount" },
          ],
        },
      ],
    },
    status: {
      phase: isRunning ? "Running" : "Pending",
      podIP: "10.1.2.3",
      startTime: TIME,
      conditions: ["Initialized", "Ready", "ContainersReady", "PodScheduled"].map((type) => ({
        type,
        status: isRunning || type === "PodScheduled" ? "True" : "False",
        lastTransitionTime: TIME,
      })),
      containerStatuses: [
        {
          name: "app",
          image: image.tagged,
          imageID: isRunning ? `${image.repository}@${image.digest}` : "",
          ready: isRunning,
          restartCount: 0,
          state: containerState(state, image),
        },
      ],
    },
  };
}

function containerState(state: PodState, { tagged }: MadeImage): object {
  switch (state) {
    case "running":
      return { running: { startedAt: TIME } };
    case "creating":
      return { waiting: { reason: "ContainerCreating" } };
    case "ErrImagePull":
      return { waiting: { reason: state, message: PULL_ERROR } };
    case "ImagePullBackOff":
      return { waiting: { reason: state, message: `Back-off pulling image "${tagged}"` } };
  }
}
