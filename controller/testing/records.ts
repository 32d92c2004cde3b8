/** Records for tests. */

import type {
  RecordOrigin,
  SalvagePlan,
  SalvageRecord,
  SalvageRecordSpec,
  SalvageRecordStatus,
} from "../objects/salvage-record.ts";
import { applyChange } from "../salvage/apply-change.ts";
import type { RecordChange } from "../salvage/record-change.ts";
import { digestOf } from "./nodes.ts";

/** 2026-08-01T10:00:00Z, in milliseconds since 1970. */
export const T0 = Date.UTC(2026, 7, 1, 10);

/** The image's digest in these records. */
export const DIGEST = digestOf("a");

/** What failed, for tests. */
export const ORIGIN: RecordOrigin = {
  incident: "0123456789abcdef0123456789abcdef",
  image: "registry.test:5000/app:v1",
  container: "app",
  pod: "web-1",
  podUid: "uid-web-1",
  ownerKind: "Deployment",
  ownerName: "web",
  targetNode: "node-b",
  cause: "unreachable",
};

/** An authorised plan, for tests. */
export const PLAN: SalvagePlan = {
  digest: DIGEST,
  names: ["registry.test:5000/app:v1"],
  targetNode: "node-b",
  sources: ["node-a", "node-c"],
  maxBytes: 2_147_483_648,
  evidence: "pod web-2 of this namespace has registry.test:5000/app",
};

/** Changes of a salvage that goes well. */
export const CHANGES = {
  detected: {
    type: "detected",
    origin: ORIGIN,
    reason: "ErrImagePull",
    message: "dial tcp 10.0.0.1:5000: connect: connection refused",
    isCorrupt: false,
    digest: DIGEST,
    pods: [{ name: "web-1", uid: "uid-web-1" }],
  },
  planned: { type: "planned", plan: PLAN, holders: ["node-a", "node-c", "node-d"] },
  started: { type: "started", sources: ["node-a", "node-c"] },
  progress: { type: "progress", bytesTotal: 1000, bytesTransferred: 200, bytesReused: 250 },
  salvaged: {
    type: "salvaged",
    configDigest: digestOf("c"),
    sources: ["node-a"],
    bytesTotal: 1000,
    bytesTransferred: 750,
    bytesReused: 250,
  },
  failed: { type: "failed", reason: "AttemptsExhausted", message: "8 attempts failed" },
  refused: { type: "refused", reason: "NotAuthorized", message: "no pod has it" },
  recovered: { type: "recovered", message: "container app has started" },
  notRecovered: { type: "not_recovered", message: 'Back-off pulling image "registry.test:5000/app:v1"' },
} as const satisfies Readonly<Record<string, RecordChange>>;

/** The status after these changes, one second apart, from {@link T0} on. */
export function statusAfter(...changes: readonly RecordChange[]): SalvageRecordStatus {
  return changes.reduce<SalvageRecordStatus>(
    (status, change, index) => applyChange(status, change, T0 + index * 1000),
    {},
  );
}

/** A record of the controller's own, for tests. */
export function record(
  options: {
    readonly name?: string;
    readonly namespace?: string;
    readonly createdAt?: number;
    readonly labels?: Readonly<Record<string, string>>;
    readonly isDeleting?: boolean;
    readonly spec?: SalvageRecordSpec;
    readonly status?: SalvageRecordStatus;
  } = {},
): SalvageRecord {
  const { name = "app-aaaaaaaa-0123456789" } = options;
  return {
    metadata: {
      name,
      namespace: options.namespace ?? "shop",
      uid: `uid-${name}`,
      resourceVersion: "1",
      creationTimestamp: new Date(options.createdAt ?? T0).toISOString(),
      labels: options.labels ?? { "app.kubernetes.io/managed-by": "tote" },
      isDeleting: options.isDeleting ?? false,
    },
    spec: options.spec ?? {
      digest: DIGEST,
      imageRef: "registry.test:5000/app:v1",
      podName: "web-1",
      targetNode: "node-b",
    },
    status: options.status ?? {},
  };
}
