import { asObject, asObjects, asText } from "../../controller/objects/json.ts";

const MAX_LIST = 1000;

/** What tests look at in a container's status. */
export interface ContainerView {
  readonly name: string;
  readonly state: "waiting" | "running" | "terminated" | "unknown";
  /** of what it waits for or why it ended, e.g. "ImagePullBackOff" */
  readonly reason: string;
  readonly message: string;
  readonly imageId: string;
  /** "containerd://..."; "" when there is none */
  readonly containerId: string;
  /** when it began to run, as the API writes it; "" when it does not run */
  readonly startedAt: string;
  readonly restarts: number;
}

/** What tests look at in a pod. */
export interface PodView {
  readonly name: string;
  readonly uid: string;
  readonly node: string;
  readonly phase: string;
  /** being deleted */
  readonly isLeaving: boolean;
  readonly isReady: boolean;
  readonly annotations: Readonly<Record<string, unknown>>;
  readonly initContainers: readonly ContainerView[];
  readonly containers: readonly ContainerView[];
}

/** Reads a PodList as the API server answers it. */
export function readPods(list: unknown): readonly PodView[] {
  return asObjects(asObject(list)["items"], MAX_LIST).map((pod) => {
    const metadata = asObject(pod["metadata"]);
    const status = asObject(pod["status"]);
    const conditions = asObjects(status["conditions"], MAX_LIST);
    return {
      name: asText(metadata["name"]),
      uid: asText(metadata["uid"]),
      node: asText(asObject(pod["spec"])["nodeName"]),
      phase: asText(status["phase"]),
      isLeaving: metadata["deletionTimestamp"] !== undefined,
      isReady: conditions.some(({ type, status: value }) => type === "Ready" && value === "True"),
      annotations: asObject(metadata["annotations"]),
      initContainers: readContainers(status["initContainerStatuses"]),
      containers: readContainers(status["containerStatuses"]),
    };
  });
}

function readContainers(statuses: unknown): readonly ContainerView[] {
  return asObjects(statuses, MAX_LIST).map((status) => {
    const states = asObject(status["state"]);
    const state = (["waiting", "running", "terminated"] as const).find((one) => states[one] !== undefined);
    const detail = asObject(states[state ?? ""]);
    return {
      name: asText(status["name"]),
      state: state ?? "unknown",
      reason: asText(detail["reason"]),
      message: asText(detail["message"]),
      imageId: asText(status["imageID"]),
      containerId: asText(status["containerID"]),
      startedAt: state === "running" ? asText(detail["startedAt"]) : "",
      restarts: Number(status["restartCount"] ?? 0),
    };
  });
}
