import { isDigest } from "../../lib/digest.ts";
import { subjectOf, type ClusterObjects } from "../cluster-view.ts";
import type { FailureCause } from "../detect/failure.ts";
import type { FailureWatch } from "../detect/failure-watch.ts";
import type { OptInCheck } from "../detect/opt-in-check.ts";
import type { SalvageRecord } from "../objects/salvage-record.ts";
import { chooseIncident } from "./incident.ts";
import { knownCause } from "./known-cause.ts";
import { NO_IMAGE, readOrder } from "./order.ts";
import type { RecordBook } from "./record-book.ts";
import type { RecordChange } from "./record-change.ts";
import { isOrder } from "./record-state.ts";
import { leadingFailure, podsOf, topOwner } from "./salvage-subject.ts";

/** What the first status of a record is made from. */
export interface FirstStatusOptions {
  readonly view: Pick<ClusterObjects, "pods">;
  readonly failures: FailureWatch;
  readonly optIn: OptInCheck;
  readonly book: RecordBook;
  readonly now: () => number;
}

/** Writes down what a new record is about: from then on the status counts, not the spec. */
export class FirstStatus {
  readonly #options: FirstStatusOptions;

  constructor(options: FirstStatusOptions) {
    this.#options = options;
  }

  /** The change that gives a record its first status. */
  async of(record: SalvageRecord, signal: AbortSignal): Promise<RecordChange> {
    const { failures, optIn } = this.#options;
    const { metadata, spec } = record;
    const all = failures.failing(subjectOf(record));
    const asking = await optIn.asking(all, signal);
    // when all have opted out meanwhile, one of them is what the refusal is about
    const failing = asking.length > 0 || isOrder(record) ? asking : all;
    const lead = leadingFailure(failing);
    const targetNode = spec.targetNode ?? "";
    const digest = spec.digest !== undefined && isDigest(spec.digest) ? { digest: spec.digest } : {};
    if (lead === undefined) {
      const isOrdered = isOrder(record);
      const image = this.#imageOf(record);
      const origin = {
        incident: this.#incident(metadata.namespace, { kind: "SalvageRecord", name: metadata.name }, image),
        image,
        container: "",
        pod: isOrdered ? "" : (spec.podName ?? ""),
        podUid: "",
        ownerKind: "SalvageRecord",
        ownerName: metadata.name,
        targetNode: targetNode === "" ? "(none)" : targetNode,
        cause: this.#cause(metadata.namespace, "unknown", image),
      };
      const reason = isOrdered ? "Ordered" : "Detected";
      const message = isOrdered ? "ordered by hand" : "its pod has gone since";
      return { type: "detected", origin, reason, message, isCorrupt: false, ...digest, pods: [] };
    }
    const { pod, episode } = lead;
    const { owners } = await optIn.ofPod(pod, signal);
    const owner = topOwner(pod, owners);
    return {
      type: "detected",
      origin: {
        incident: this.#incident(metadata.namespace, owner, episode.failure.image),
        image: episode.failure.image,
        container: episode.failure.container,
        pod: pod.name,
        podUid: pod.uid,
        ownerKind: owner.kind,
        ownerName: owner.name,
        targetNode: episode.nodeName,
        cause: this.#cause(metadata.namespace, episode.cause, episode.failure.image),
      },
      reason: episode.failure.reason,
      message: episode.failure.message,
      isCorrupt: episode.failure.problem === "corrupt",
      ...digest,
      pods: podsOf(failing),
    };
  }

  /** As the record writes it; a digest alone gets the name that its pods in the namespace have for it. */
  #imageOf({ metadata, spec }: SalvageRecord): string {
    const { imageRef = "", digest = "" } = spec;
    if (imageRef !== "") return imageRef;
    const { namespace } = metadata;
    const reading = readOrder(spec, namespace, this.#options.view.pods.store.find("namespace", namespace));
    if (reading.kind === "order") return reading.order.imageRef;
    return isDigest(digest) ? digest : NO_IMAGE;
  }

  #cause(namespace: string, cause: FailureCause, image: string): FailureCause {
    return knownCause(cause, this.#options.book.withImage(namespace, image));
  }

  #incident(
    namespace: string,
    owner: { readonly kind: string; readonly name: string },
    image: string,
  ): string {
    const { book, now } = this.#options;
    const subject = { namespace, ownerKind: owner.kind, ownerName: owner.name, image };
    return chooseIncident(subject, book.withImage(namespace, image), now());
  }
}
