import { InvalidValueError } from "../../lib/errors.ts";
import { FAILURE_CAUSES } from "../detect/failure.ts";
import { asObject, asText } from "./json.ts";
import {
  CONDITION_TYPES,
  RECORD_PHASES,
  TRANSITION_TYPES,
  type RecordCondition,
  type RecordOrigin,
  type RecordTransition,
  type SalvagePlan,
  type SalvageRecord,
  type SalvageRecordSpec,
  type SalvageRecordStatus,
} from "./salvage-record.ts";
import { StrictReader } from "./strict-json.ts";

/** A record, or why what was read is none. */
export type RecordReading =
  | { readonly kind: "record"; readonly record: SalvageRecord }
  | {
      readonly kind: "invalid";
      readonly namespace: string;
      readonly name: string;
      readonly message: string;
    };

/**
 * Reads a SalvageRecord as the API server sends it. Fields that are not known are dropped; known ones of the wrong type
 * make the whole record invalid, since half a plan must not be acted on. Never throws.
 */
export function readSalvageRecord(raw: unknown): RecordReading {
  const metadata = asObject(asObject(raw)["metadata"]);
  try {
    const reader = new StrictReader(raw, "");
    return {
      kind: "record",
      record: {
        metadata: readMetadata(reader.object("metadata")),
        spec: readSpec(reader.object("spec")),
        status: readStatus(reader.object("status")),
      },
    };
  } catch (error) {
    if (!(error instanceof InvalidValueError)) throw error;
    return {
      kind: "invalid",
      namespace: asText(metadata["namespace"]),
      name: asText(metadata["name"]),
      message: error.message,
    };
  }
}

function readMetadata(reader: StrictReader): SalvageRecord["metadata"] {
  return {
    name: reader.needed("name"),
    namespace: reader.needed("namespace"),
    uid: reader.text("uid") ?? "",
    resourceVersion: reader.text("resourceVersion") ?? "",
    creationTimestamp: reader.text("creationTimestamp") ?? "",
    labels: reader.map("labels"),
    isDeleting: reader.has("deletionTimestamp"),
  };
}

function readSpec(reader: StrictReader): SalvageRecordSpec {
  return present({
    digest: reader.text("digest"),
    imageRef: reader.text("imageRef"),
    podName: reader.text("podName"),
    sourceNode: reader.text("sourceNode"),
    targetNode: reader.text("targetNode"),
  });
}

function readStatus(reader: StrictReader): SalvageRecordStatus {
  return present({
    phase: reader.oneOf("phase", RECORD_PHASES),
    reason: reader.text("reason"),
    message: reader.text("message"),
    error: reader.text("error"),
    origin: reader.has("origin") ? readOrigin(reader.object("origin")) : undefined,
    cause: reader.oneOf("cause", FAILURE_CAUSES),
    plan: reader.has("plan") ? readPlan(reader.object("plan")) : undefined,
    digest: reader.text("digest"),
    configDigest: reader.text("configDigest"),
    bytesTotal: reader.count("bytesTotal"),
    bytesTransferred: reader.count("bytesTransferred"),
    bytesReused: reader.count("bytesReused"),
    progress: reader.text("progress"),
    sources: reader.texts("sources"),
    attempts: reader.count("attempts"),
    startedAt: reader.text("startedAt"),
    progressAt: reader.text("progressAt"),
    completedAt: reader.text("completedAt"),
    transitions: reader.objects("transitions", readTransition),
    pods: reader.objects("pods", (pod) => ({ name: pod.needed("name"), uid: pod.needed("uid") })),
    podCount: reader.count("podCount"),
    conditions: reader.objects("conditions", readCondition),
  });
}

function readOrigin(reader: StrictReader): RecordOrigin {
  return {
    incident: reader.needed("incident"),
    image: reader.needed("image"),
    container: reader.text("container") ?? "",
    pod: reader.text("pod") ?? "",
    podUid: reader.text("podUid") ?? "",
    ownerKind: reader.text("ownerKind") ?? "",
    ownerName: reader.text("ownerName") ?? "",
    targetNode: reader.needed("targetNode"),
    cause: reader.oneOf("cause", FAILURE_CAUSES) ?? "unknown",
  };
}

function readPlan(reader: StrictReader): SalvagePlan {
  return {
    digest: reader.needed("digest"),
    names: reader.texts("names") ?? [],
    targetNode: reader.needed("targetNode"),
    sources: reader.texts("sources") ?? [],
    maxBytes: reader.count("maxBytes") ?? 0,
    evidence: reader.text("evidence") ?? "",
  };
}

function readTransition(reader: StrictReader): RecordTransition {
  return {
    type: reader.neededOneOf("type", TRANSITION_TYPES),
    time: reader.needed("time"),
    notified: reader.flag("notified") ?? false,
    reason: reader.text("reason") ?? "",
    message: reader.text("message") ?? "",
    ...present({
      digest: reader.text("digest"),
      sources: reader.texts("sources"),
      bytes: reader.count("bytes"),
      durationMs: reader.count("durationMs"),
      attempt: reader.count("attempt"),
    }),
  };
}

function readCondition(reader: StrictReader): RecordCondition {
  return {
    type: reader.neededOneOf("type", CONDITION_TYPES),
    status: reader.neededOneOf("status", ["True", "False", "Unknown"]),
    reason: reader.text("reason") ?? "",
    message: reader.text("message") ?? "",
    lastTransitionTime: reader.needed("lastTransitionTime"),
  };
}

type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** The object without its undefined fields. */
function present<T extends object>(fields: T): Present<T> {
  const kept: object = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
  if (!isPresent<T>(kept)) throw new Error("an undefined field was kept");
  return kept;
}

function isPresent<T>(fields: object): fields is Present<T> {
  return Object.values(fields).every((value) => value !== undefined);
}
