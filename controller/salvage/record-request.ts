import { isDigest } from "../../lib/digest.ts";
import { subjectOf, type ClusterObjects } from "../cluster-view.ts";
import { dispositionOf } from "../detect/disposition.ts";
import type { FailureWatch } from "../detect/failure-watch.ts";
import type { OptInCheck } from "../detect/opt-in-check.ts";
import type { RecordOrigin, SalvageRecord } from "../objects/salvage-record.ts";
import type { ImageFinder } from "./image-finder.ts";
import { checkOrder, NO_IMAGE, readOrder } from "./order.ts";
import type { PlanRequest } from "./planner.ts";
import type { RefusedReason } from "./reasons.ts";
import { isOrder } from "./record-state.ts";
import { leadingFailure } from "./salvage-subject.ts";

/** What a record asks for, or why that is nothing that could be planned. */
export type RecordRequest =
  | { readonly kind: "request"; readonly request: PlanRequest }
  | { readonly kind: "refused"; readonly reason: RefusedReason; readonly message: string };

/** What requests are made from. */
export interface RecordRequestsOptions {
  readonly view: ClusterObjects;
  readonly failures: Pick<FailureWatch, "failing">;
  readonly optIn: OptInCheck;
  readonly finder: ImageFinder;
}

/** Reads what records ask for. */
export class RecordRequests {
  readonly #options: RecordRequestsOptions;

  constructor(options: RecordRequestsOptions) {
    this.#options = options;
  }

  /** What the record asks for, by the rules of orders: a record that was edited or forged gets no more than one. */
  async of(record: SalvageRecord, signal: AbortSignal): Promise<RecordRequest> {
    const { view, failures, finder, optIn } = this.#options;
    const { namespace } = record.metadata;
    const origin = record.status.origin;
    const lead = leadingFailure(await optIn.asking(failures.failing(subjectOf(record)), signal));
    const disposition = lead === undefined ? undefined : dispositionOf(lead.episode.failure);
    if (disposition?.kind === "report" && !isOrder(record)) {
      return { kind: "refused", reason: disposition.reason, message: disposition.message };
    }
    // what the status says was written by a controller; the spec may have been edited since
    const spec = {
      ...record.spec,
      imageRef: origin === undefined ? (record.spec.imageRef ?? "") : nameIn(origin),
      targetNode: origin?.targetNode ?? record.spec.targetNode ?? "",
    };
    const reading = readOrder(spec, namespace, view.pods.store.find("namespace", namespace));
    if (reading.kind === "refused") return reading;
    const { order } = reading;
    const isCorrupt = disposition?.kind === "repair";
    const wanted = {
      namespace,
      reference: order.reference,
      targetNode: order.targetNode,
      isCorrupt,
      ...(lead !== undefined && { pod: lead.pod }),
    };
    const resolution = await finder.resolve(wanted, signal);
    const checked = checkOrder(order, resolution);
    if (checked.kind === "refused") return checked;
    const cause = record.status.cause ?? origin?.cause ?? "unknown";
    return { kind: "request", request: { ...wanted, imageRef: order.imageRef, cause, resolution } };
  }
}

/** The image name of a record, "" where there was none to be written. */
function nameIn({ image }: RecordOrigin): string {
  return image === NO_IMAGE || isDigest(image) ? "" : image;
}
