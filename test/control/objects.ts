/** Kubernetes objects as the tests of the controller create them: what the API server needs, and no more. */

import type { KubeObject } from "../../controller/kube/objects.ts";

/** An object with the fields beside its metadata. */
export type Manifest = KubeObject & Readonly<Record<string, unknown>>;

/** Where a pod is and what it runs. */
export interface PodOptions {
  readonly name: string;
  readonly namespace: string;
  readonly node: string;
  readonly image: string;
  readonly pullPolicy?: "Always" | "IfNotPresent" | "Never";
  readonly annotations?: Readonly<Record<string, string>>;
  readonly owner?: {
    readonly apiVersion: string;
    readonly kind: string;
    readonly name: string;
    readonly uid: string;
  };
}

/** A pod with one container, on a node already. */
export function podManifest(options: PodOptions): Manifest {
  const { name, namespace, node, image, pullPolicy = "IfNotPresent", annotations = {}, owner } = options;
  return {
    metadata: {
      name,
      namespace,
      annotations,
      ...(owner !== undefined && {
        ownerReferences: [{ ...owner, controller: true, blockOwnerDeletion: true }],
      }),
    },
    spec: {
      nodeName: node,
      restartPolicy: "Always",
      containers: [{ name: "app", image, imagePullPolicy: pullPolicy }],
    },
  };
}

/** A Deployment or what it owns: with its annotations, and pods that nobody makes from it. */
export function workloadManifest(options: {
  readonly name: string;
  readonly namespace: string;
  readonly image: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly owner?: PodOptions["owner"];
}): Manifest {
  const { name, namespace, image, annotations = {}, owner } = options;
  const labels = { app: name };
  return {
    metadata: {
      name,
      namespace,
      annotations,
      ...(owner !== undefined && {
        ownerReferences: [{ ...owner, controller: true, blockOwnerDeletion: true }],
      }),
    },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: "app", image }] } },
    },
  };
}

/** A namespace, opted in unless told otherwise. */
export function namespaceManifest(
  name: string,
  annotations: Readonly<Record<string, string>> = { "tote.dev/allow": "true" },
): Manifest {
  return { metadata: { name, annotations } };
}

/** A SalvageRecord by hand. */
export function orderManifest(
  name: string,
  namespace: string,
  spec: Readonly<Record<string, string>>,
): Manifest {
  return { metadata: { name, namespace }, spec };
}
