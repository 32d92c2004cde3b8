import type { RelayEvent } from "../../event/event.ts";
import type { Format } from "../../subscriptions/subscription.ts";
import type { Batch, BatchItem } from "../sink.ts";

/** What is posted. */
export interface WebhookBody {
  readonly contentType: string;
  readonly body: string;
}

/** Type of a message that stands for several events. */
export const SUMMARY_TYPE = "tote.relay.summary";

/**
 * Writes a batch in a format. The same batch gives the same text, so that every retry is the same message. Pure.
 */
export function formatBody(batch: Batch, format: Format): WebhookBody {
  const [item] = batch.items;
  if (item === undefined) throw new Error("a batch without events");
  const isSummary = batch.total > 1;
  switch (format) {
    case "standard":
      return {
        contentType: "application/json",
        body: isSummary ? JSON.stringify(summarise(batch, item)) : item.body,
      };
    case "cloudevents":
      return {
        contentType: "application/cloudevents+json; charset=utf-8",
        body: JSON.stringify(toCloudEvent(isSummary ? summarise(batch, item) : item.event)),
      };
    case "tote-v0":
      return { contentType: "application/json", body: JSON.stringify(toToteV0(item.event)) };
  }
}

/** An event of several: Event v1 but for its data. */
interface Summary {
  readonly id: string;
  readonly type: typeof SUMMARY_TYPE;
  readonly source: string;
  readonly time: string;
  readonly subject: string;
  readonly data: {
    /** events that it stands for */
    readonly count: number;
    /** of them, how many of each type and severity */
    readonly tallies: Batch["tallies"];
    readonly first: string;
    readonly last: string;
    readonly namespace: string;
    readonly image: string;
    readonly severity: string;
    /** some of the events in full: the oldest, and the newest at the end */
    readonly events: readonly RelayEvent[];
    /** events that are not among them */
    readonly truncated: number;
  };
}

function summarise(batch: Batch, { event }: BatchItem): Summary {
  const { messageId, total, tallies, firstTime, lastTime, items } = batch;
  return {
    id: messageId,
    type: SUMMARY_TYPE,
    source: event.source,
    time: lastTime,
    subject: event.subject,
    data: {
      count: total,
      tallies,
      first: firstTime,
      last: lastTime,
      namespace: event.data.namespace ?? "",
      image: event.data.image ?? "",
      severity: event.data.severity ?? "",
      events: items.map((one) => one.event),
      truncated: total - items.length,
    },
  };
}

/** CloudEvents 1.0, structured mode: so the signature covers the attributes, too. */
function toCloudEvent(event: RelayEvent | Summary): object {
  const { id, type, source, time, subject, data } = event;
  return {
    specversion: "1.0",
    id,
    type,
    // a URI reference; the name of a cluster may have characters that are none, half a surrogate pair included
    source: encodeURI(source.toWellFormed()),
    time: new Date(time).toISOString(),
    ...(subject !== "" && { subject }),
    datacontenttype: "application/json",
    data,
  };
}

/** The payload of the original tote: fields without a value are left out, as Go's omitempty does. */
function toToteV0({ type, time, data }: RelayEvent): object {
  const optional = {
    image_ref: data.image,
    digest: data.digest,
    source_node: data.sourceNodes?.[0],
    target_node: data.targetNode,
    error: hasError(type) ? data.message : undefined,
  };
  return {
    type: type.split(".").at(-1) ?? type,
    pod_name: data.pod ?? "",
    namespace: data.namespace ?? "",
    ...Object.fromEntries(
      Object.entries(optional).filter(([, value]) => value !== undefined && value !== ""),
    ),
    timestamp: new Date(time).toISOString().replace(/\.\d+Z$/, "Z"),
  };
}

function hasError(type: string): boolean {
  return type.endsWith("_failed") || type.endsWith(".not_recovered");
}
