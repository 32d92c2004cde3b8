/** From nodes, namespaces and agent pods as the API server sends them to what the controller keeps. */

import { IMAGE_MAX_CHARS, NODE_IMAGE_NAMES_MAX, NODE_IMAGES_MAX } from "../limits.ts";
import type { StrippedAgentPod } from "./agent-pod.ts";
import { asObject, asObjects, asText, asTexts } from "./json.ts";
import { toteAnnotations } from "./metadata.ts";
import type { StrippedNamespace } from "./namespace.ts";
import type { StrippedNode } from "./node.ts";
import { noPool, type StringPool } from "./string-pool.ts";

type Json = Readonly<Record<string, unknown>>;

/** More conditions than these are not looked at. */
const CONDITIONS_MAX = 64;

/** Strips a node. Never throws. */
export function stripNode(raw: unknown, pool: StringPool = noPool): StrippedNode {
  const node = asObject(raw);
  const metadata = asObject(node["metadata"]);
  const status = asObject(node["status"]);
  const info = asObject(status["nodeInfo"]);
  const isDeleting = hasTime(metadata["deletionTimestamp"]);
  return {
    ...identity(metadata),
    isReady: !isDeleting && isConditionTrue(status, "Ready"),
    isDeleting,
    zone: pool.share(asText(asObject(metadata["labels"])["topology.kubernetes.io/zone"])),
    os: pool.share(asText(info["operatingSystem"])),
    architecture: pool.share(asText(info["architecture"])),
    runtime: pool.share(asText(info["containerRuntimeVersion"])),
    images: asObjects(status["images"], NODE_IMAGES_MAX).map((image) =>
      pool.shareList(
        asTexts(image["names"], NODE_IMAGE_NAMES_MAX).filter((name) => name.length <= IMAGE_MAX_CHARS),
      ),
    ),
  };
}

/** Strips a namespace. Never throws. */
export function stripNamespace(raw: unknown): StrippedNamespace {
  const namespace = asObject(raw);
  const metadata = asObject(namespace["metadata"]);
  const isTerminating = asText(asObject(namespace["status"])["phase"]) === "Terminating";
  return {
    ...identity(metadata),
    isDeleting: isTerminating || hasTime(metadata["deletionTimestamp"]),
    annotations: toteAnnotations(metadata),
  };
}

/** Strips a pod of the agents' DaemonSet. Never throws. */
export function stripAgentPod(raw: unknown): StrippedAgentPod {
  const pod = asObject(raw);
  const metadata = asObject(pod["metadata"]);
  const status = asObject(pod["status"]);
  const isRunning = asText(status["phase"]) === "Running" && !hasTime(metadata["deletionTimestamp"]);
  return {
    ...identity(metadata),
    namespace: asText(metadata["namespace"]),
    nodeName: asText(asObject(pod["spec"])["nodeName"]),
    podIp: asText(status["podIP"]),
    isReady: isRunning && isConditionTrue(status, "Ready"),
  };
}

function identity(metadata: Json): {
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
} {
  return {
    name: asText(metadata["name"]),
    uid: asText(metadata["uid"]),
    resourceVersion: asText(metadata["resourceVersion"]),
  };
}

function isConditionTrue(status: Json, type: string): boolean {
  return asObjects(status["conditions"], CONDITIONS_MAX).some(
    (condition) => condition["type"] === type && condition["status"] === "True",
  );
}

function hasTime(value: unknown): boolean {
  return typeof value === "string" && value !== "";
}
