import type { Clock } from "../../lib/clock.ts";
import { describeError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import { ApiError, isExpired, isTooLargeVersion, statusError } from "./api-error.ts";
import { Backoff } from "./backoff.ts";
import { IdleError, withIdleLimit } from "./idle.ts";
import { LineTooLongError } from "./json-lines.ts";
import type { KubeApi, Selection } from "./kube-api.ts";
import {
  BACKOFF_BASE_MS,
  BACKOFF_MAX_MS,
  SILENT_WATCHES_MAX,
  WATCH_DURATION_MAX_S,
  WATCH_DURATION_MIN_S,
  WATCH_IDLE_MS,
  WATCH_SHORTEST_MS,
} from "./limits.ts";
import type { KubeObject, WatchEvent } from "./objects.ts";
import { Mirror, type ChangeHandler, type Versioned } from "./mirror.ts";
import { keyOf, type KubeResource } from "./resources.ts";
import type { Indexer, ReadStore } from "./store.ts";

/** Counts what a reflector does. */
export interface ReflectorObserver {
  /** a list was read to its end */
  readonly listed: (durationMs: number) => void;
  /** a list or watch came to its end */
  readonly ended: (how: End) => void;
  readonly event: (type: WatchEvent["type"]) => void;
}

/** How it came to its end: by the API server's will, by silence, because its version was too old, by an error. */
export const ENDS = ["served", "idle", "expired", "failed"] as const;
export type End = (typeof ENDS)[number];

/** What a reflector works with. */
export interface ReflectorOptions<T extends Versioned, I extends string> {
  readonly api: KubeApi;
  readonly resource: KubeResource;
  /** which of its objects, default all */
  readonly selection?: Selection;
  /**
   * Takes from an object what is to be kept of it, `metadata.resourceVersion` included; undefined leaves it out. Must be
   * pure.
   */
  readonly strip: (object: KubeObject) => T | undefined;
  readonly indexers: Readonly<Record<I, Indexer<T>>>;
  readonly clock: Clock;
  /** 0 to 1 */
  readonly random: () => number;
  readonly logger: Logger;
  readonly observer?: ReflectorObserver;
  /** milliseconds of silence after which a watch is given up, default 90 s */
  readonly idleMs?: number;
}

/**
 * Keeps a store equal to what the API server has: lists, then watches from there, and again. Level-based: whatever is
 * missed in between, the next list makes good.
 */
export class Reflector<T extends Versioned, I extends string = never> {
  readonly #options: ReflectorOptions<T, I>;
  readonly #mirror: Mirror<T, I>;
  readonly #backoff: Backoff;
  readonly #firstSync = Promise.withResolvers<void>();
  #isSynced = false;
  /** where the next watch begins; undefined when a list must come first */
  #version: string | undefined;
  #silentWatches = 0;
  #aliveAt: number;
  #problem = "";

  constructor(options: ReflectorOptions<T, I>) {
    this.#options = options;
    this.#mirror = new Mirror(options);
    const { random, clock } = options;
    this.#backoff = new Backoff({ baseMs: BACKOFF_BASE_MS, maxMs: BACKOFF_MAX_MS, random });
    this.#aliveAt = clock.monotonic();
  }

  /** What is known now; complete once {@link synced}. */
  get store(): ReadStore<T, I> {
    return this.#mirror.store;
  }

  /** Resolves when the first list is complete; never rejects. */
  get synced(): Promise<void> {
    return this.#firstSync.promise;
  }

  get isSynced(): boolean {
    return this.#isSynced;
  }

  /** Why lists or watches fail now, "" when they do not. */
  get problem(): string {
    return this.#problem;
  }

  /** Milliseconds since the API server last gave a list, an event or a bookmark; at first since the start. */
  get ageMs(): number {
    return this.#options.clock.monotonic() - this.#aliveAt;
  }

  /** Tells of every change from now on; what the store holds already is not told. */
  subscribe(handler: ChangeHandler): void {
    this.#mirror.subscribe(handler);
  }

  /** Lists and watches until `signal` fires. Never throws: failures are logged, shown as {@link problem}, and tried anew. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.#version === undefined) this.#version = await this.#list(signal);
        await this.#watch(this.#version, signal);
      } catch (error) {
        if (signal.aborted) return;
        await this.#recover(error, signal);
      }
    }
  }

  async #list(signal: AbortSignal): Promise<string> {
    const { api, resource, selection, clock, observer } = this.#options;
    const started = clock.monotonic();
    const seen = new Set<string>();
    let version = "";
    for await (const page of api.list(resource, { ...selection, signal })) {
      version = page.metadata.resourceVersion;
      for (const object of page.items) seen.add(this.#mirror.put(object));
    }
    this.#mirror.keepOnly(seen);
    observer?.listed(clock.monotonic() - started);
    this.#works();
    this.#alive();
    this.#isSynced = true;
    this.#firstSync.resolve();
    return version;
  }

  async #watch(version: string, signal: AbortSignal): Promise<void> {
    const { api, resource, selection, clock, random, observer, idleMs = WATCH_IDLE_MS } = this.#options;
    const range = WATCH_DURATION_MAX_S - WATCH_DURATION_MIN_S;
    const timeoutSeconds = WATCH_DURATION_MIN_S + Math.floor(random() * range);
    const started = clock.monotonic();
    let opened = false;
    let spoke = false;
    try {
      await withIdleLimit(clock, idleMs, signal, async (inner, touch) => {
        const onBytes = (): void => {
          touch();
          if (!opened) this.#works();
          opened = true;
        };
        const watched = { ...selection, signal: inner, resourceVersion: version, timeoutSeconds, onBytes };
        for await (const event of api.watch(resource, watched)) {
          observer?.event(event.type);
          if (event.type === "ERROR") throw statusError(`watch ${resource.plural}`, event.object);
          spoke = true;
          this.#take(event);
        }
      });
      observer?.ended("served");
    } finally {
      this.#silentWatches = spoke || !opened ? 0 : this.#silentWatches + 1;
      if (spoke) this.#backoff.reset();
      // two that say nothing, not even a bookmark: do they still see what happens?
      if (this.#silentWatches >= SILENT_WATCHES_MAX) {
        this.#silentWatches = 0;
        this.#version = undefined;
      }
    }
    if (!spoke && clock.monotonic() - started < WATCH_SHORTEST_MS) {
      await clock.sleep(this.#backoff.next(), signal);
    }
  }

  #take(event: Exclude<WatchEvent, { readonly type: "ERROR" }>): void {
    this.#alive();
    if (event.type === "DELETED") this.#mirror.remove(keyOf(event.object.metadata));
    else if (event.type !== "BOOKMARK") this.#mirror.put(event.object);
    this.#version = event.object.metadata.resourceVersion ?? this.#version;
  }

  async #recover(error: unknown, signal: AbortSignal): Promise<void> {
    const { clock, observer } = this.#options;
    if (error instanceof IdleError) {
      observer?.ended("idle");
      this.#fails(error);
      return;
    }
    const isGone = isExpired(error) || isTooLargeVersion(error);
    observer?.ended(isGone ? "expired" : "failed");
    // a line that is too long would come again: the list may be readable
    if (isGone || isCausedByLine(error)) this.#version = undefined;
    // after a watch that worked the first new list needs no pause
    const isFirst = isGone && this.#backoff.failures === 0;
    if (!isFirst) this.#fails(error);
    const asked = error instanceof ApiError ? error.retryAfterMs : undefined;
    const pause = this.#backoff.next(asked);
    if (isFirst && asked === undefined) return;
    try {
      await clock.sleep(pause, signal);
    } catch (stopped) {
      if (!signal.aborted) throw stopped;
    }
  }

  #alive(): void {
    this.#aliveAt = this.#options.clock.monotonic();
  }

  #works(): void {
    if (this.#problem !== "") this.#options.logger.info("list and watch work again", this.#name());
    this.#problem = "";
  }

  #fails(error: unknown): void {
    const problem = describeError(error);
    const log = problem === this.#problem ? "debug" : "warn";
    this.#problem = problem;
    this.#options.logger[log]("list or watch failed", { ...this.#name(), error });
  }

  #name(): { readonly resource: string } {
    return { resource: this.#options.resource.plural };
  }
}

function isCausedByLine(error: unknown): boolean {
  return error instanceof ApiError && error.cause instanceof LineTooLongError;
}
