import type { StrippedPod } from "../../controller/objects/pod.ts";
import { ANNOTATIONS } from "../../controller/objects/metadata.ts";
import type { SalvageRecord } from "../../controller/objects/salvage-record.ts";
import { formatSize } from "../../lib/units.ts";

/** What happens on the way from a failing pod to a running one, in this order. */
export const STEPS = [
  "failing",
  "record",
  "detected",
  "resolved",
  "authorised",
  "transfer",
  "visible",
  "nudged",
  "running",
] as const;
/** One of {@link STEPS}. */
export type Step = (typeof STEPS)[number];

const BAR_WIDTH = 24;

interface Row {
  readonly step: Step;
  /** milliseconds since 1970 */
  readonly at: number;
  readonly text: string;
}

/**
 * Tells what the API server shows of a pod and its record as it comes: a line for each step, with the seconds since the
 * pod began to fail. Progress is drawn over again on a terminal.
 */
export class Timeline {
  readonly #write: (text: string) => void;
  readonly #isTerminal: boolean;
  readonly #steps = new Set<Step>();
  #start: number | undefined;
  #progress = "";
  #last: Step | undefined;

  constructor(options: { readonly write: (text: string) => void; readonly isTerminal: boolean }) {
    this.#write = options.write;
    this.#isTerminal = options.isTerminal;
  }

  /** Steps that were seen. */
  get steps(): ReadonlySet<Step> {
    return this.#steps;
  }

  /** @param at when it was seen, in milliseconds since 1970 */
  seePod(pod: StrippedPod, at: number): void {
    const waiting = pod.containers.find(({ state }) => state === "waiting")?.waiting;
    const salvagedAt = pod.annotations[ANNOTATIONS.salvagedAt];
    const rows: Row[] = [];
    if (waiting?.reason === "ErrImagePull") {
      rows.push({ step: "failing", at, text: `pod ${pod.name} on node ${pod.nodeName}: ErrImagePull` });
    }
    if (salvagedAt !== undefined) {
      rows.push({ step: "nudged", at: Date.parse(salvagedAt), text: "the kubelet is told to look again" });
    }
    if (pod.phase === "Running") rows.push({ step: "running", at, text: `pod ${pod.name} runs` });
    this.#tell(rows);
  }

  /** @param at when it was seen, in milliseconds since 1970 */
  seeRecord({ metadata, status }: SalvageRecord, at: number): void {
    const visible: Row[] = [];
    const rows: Row[] = [{ step: "record", at, text: `SalvageRecord ${metadata.name}` }];
    for (const { type, time, reason, digest = "", sources = [] } of status.transitions ?? []) {
      const when = Date.parse(time);
      if (type === "detected")
        rows.push({ step: "detected", at: when, text: `${reason}, ${status.cause ?? "unknown"}` });
      if (type === "salvageable") {
        const text = `${digest.slice(0, 19)}... is on node ${sources.join(", ")}`;
        rows.push({ step: "resolved", at: when, text });
      }
    }
    for (const { type, status: value, lastTransitionTime, message } of status.conditions ?? []) {
      if (value !== "True") continue;
      const when = Date.parse(lastTransitionTime);
      if (type === "Authorized") rows.push({ step: "authorised", at: when, text: message });
      if (type === "Visible") visible.push({ step: "visible", at: when, text: message });
    }
    this.#tell(rows);
    if (status.phase === "Transferring" || this.#steps.has("transfer")) this.#tellProgress(status, at);
    this.#tell(visible);
  }

  #tellProgress(status: SalvageRecord["status"], at: number): void {
    const { progress = "0%", bytesTotal = 0, bytesTransferred = 0, bytesReused = 0, sources = [] } = status;
    const from = sources.length === 0 ? "" : ` from ${sources.join(", ")}`;
    const filled = Math.round((Number.parseInt(progress, 10) / 100) * BAR_WIDTH);
    const bar = "#".repeat(filled).padEnd(BAR_WIDTH, ".");
    const bytes = `${formatSize(bytesTransferred + bytesReused)} of ${formatSize(bytesTotal)}`;
    const text = `[${bar}] ${progress.padStart(4)}  ${bytesTotal === 0 ? "" : bytes}${from}`.trimEnd();
    const visible = status.conditions?.find(({ type }) => type === "Visible")?.lastTransitionTime;
    if (text === this.#progress || this.#steps.has("visible")) return;
    const isAgain = this.#last === "transfer";
    this.#progress = text;
    this.#steps.add("transfer");
    if (isAgain && this.#isTerminal) this.#write("\x1b[1A\x1b[2K");
    this.#line({ step: "transfer", at: visible === undefined ? at : Date.parse(visible), text });
  }

  #tell(rows: readonly Row[]): void {
    const news = rows.filter(({ step }) => !this.#steps.has(step));
    for (const row of news.sort((a, b) => a.at - b.at || STEPS.indexOf(a.step) - STEPS.indexOf(b.step))) {
      this.#steps.add(row.step);
      this.#line(row);
    }
  }

  #line({ step, at, text }: Row): void {
    this.#start ??= at;
    this.#last = step;
    const seconds = (Math.max(0, at - this.#start) / 1000).toFixed(2);
    this.#write(`   ${seconds.padStart(6)} s  ${step.padEnd(10)}  ${text}\n`);
  }
}
