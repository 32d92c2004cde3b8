import { isDigest } from "../../lib/digest.ts";
import { comparableName } from "../objects/image-name.ts";
import {
  RECORD_API_VERSION,
  RECORD_KIND,
  type SalvageRecord,
  type SalvageRecordSpec,
} from "../objects/salvage-record.ts";
import { recordLabels, recordName, type RecordKey } from "./record-name.ts";

/** A record as it is sent to the API server to be created. Its status is dropped there, so that it has none. */
export interface NewRecord {
  readonly apiVersion: typeof RECORD_API_VERSION;
  readonly kind: typeof RECORD_KIND;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels: Readonly<Record<string, string>>;
  };
  readonly spec: SalvageRecordSpec;
}

/** The record for a failure. Pure: every leader makes the same. */
export function newRecord(options: {
  readonly key: RecordKey;
  /** normalised, of the name that fails */
  readonly repository: string;
  readonly episode: number;
  /** as the pod writes it */
  readonly imageRef: string;
  readonly podName: string;
}): NewRecord {
  const { key, repository, episode, imageRef, podName } = options;
  return {
    apiVersion: RECORD_API_VERSION,
    kind: RECORD_KIND,
    metadata: {
      name: recordName(key, repository, episode),
      namespace: key.namespace,
      labels: recordLabels(key),
    },
    spec: {
      ...(isDigest(key.content) && { digest: key.content }),
      imageRef,
      podName,
      targetNode: key.targetNode,
    },
  };
}

/** The key of a failure: by digest when one is known, else by the normalised name. */
export function keyOfFailure(failure: {
  readonly namespace: string;
  readonly image: string;
  readonly digest: string | undefined;
  readonly targetNode: string;
}): RecordKey {
  const { namespace, image, digest, targetNode } = failure;
  return { namespace, content: digest ?? comparableName(image), targetNode };
}

/** The key of a record that exists. What the controller wrote goes before what people may have edited. */
export function keyOfRecord({ metadata, spec, status }: SalvageRecord): RecordKey {
  return keyOfFailure({
    namespace: metadata.namespace,
    image: status.origin?.image ?? spec.imageRef ?? "",
    digest: status.plan?.digest ?? status.digest ?? spec.digest,
    targetNode: status.origin?.targetNode ?? spec.targetNode ?? "",
  });
}
