import type { ServerResponse } from "node:http";

import { show, type Change } from "./collection.ts";
import { apiVersionOf } from "./kinds.ts";
import { readVersion, selectorOf } from "./lists.ts";
import type { Target } from "./routes.ts";
import { expired } from "./status.ts";
import type { Storage } from "./storage.ts";
import type { ServedObject } from "./types.ts";

/** How long a watch lasts when its client does not say, in seconds; the real one takes 30 to 60 minutes. */
const DEFAULT_TIMEOUT_S = 1800;

/** A watch that is being served. */
export interface Watch {
  readonly plural: string;
  /** Says nothing any more, its connection stays open. */
  hang(): void;
  /** Cuts the connection off. */
  drop(): void;
}

/** Serves watches. */
export class Watches {
  readonly #storage: Storage;
  readonly #bookmarkIntervalMs: number;
  readonly #running = new Set<Watch>();

  constructor(storage: Storage, bookmarkIntervalMs: number) {
    this.#storage = storage;
    this.#bookmarkIntervalMs = bookmarkIntervalMs;
  }

  get running(): ReadonlySet<Watch> {
    return this.#running;
  }

  /**
   * Begins a watch; the answer goes on until its time is over or the client goes away.
   * @param isSilent say nothing from the beginning
   * @throws Refusal 400
   */
  serve(target: Target, response: ServerResponse, isSilent: boolean): void {
    const { query, kind } = target;
    const version = readVersion(query.get("resourceVersion") ?? "");
    const stream = new WatchStream(target, response);
    if (isSilent) stream.hang();
    response.writeHead(200, { "content-type": "application/json", "transfer-encoding": "chunked" });
    response.flushHeaders();
    const collection = this.#storage.collection(kind);
    if (version === 0) {
      for (const { held } of collection.entries()) stream.add(show(held));
    } else {
      const missed = collection.since(version);
      if (missed === undefined) {
        stream.fail(expired(`too old resource version: ${version} (${this.#storage.version})`).status());
        return;
      }
      for (const change of missed) stream.change(change);
    }
    // a version from the future: silence until it has come
    const stop = collection.listen((change) => {
      if (change.version > version) stream.change(change);
    });
    const bookmark = (): void => {
      if (query.get("allowWatchBookmarks") === "true" && this.#storage.version >= version) {
        stream.bookmark(this.#storage.version);
      }
    };
    const seconds = Number(query.get("timeoutSeconds") ?? DEFAULT_TIMEOUT_S) || DEFAULT_TIMEOUT_S;
    const marks = setInterval(bookmark, this.#bookmarkIntervalMs);
    const end = setTimeout(() => {
      bookmark();
      stream.end();
    }, seconds * 1000);
    const watch: Watch = {
      plural: kind.plural,
      hang: () => stream.hang(),
      drop: () => response.destroy(),
    };
    this.#running.add(watch);
    response.once("close", () => {
      stop();
      clearInterval(marks);
      clearTimeout(end);
      this.#running.delete(watch);
    });
  }
}

/** The lines of one watch. */
class WatchStream {
  readonly #target: Target;
  readonly #response: ServerResponse;
  readonly #isWanted: (object: ServedObject) => boolean;
  #isHung = false;

  constructor(target: Target, response: ServerResponse) {
    this.#target = target;
    this.#response = response;
    this.#isWanted = selectorOf(target);
  }

  hang(): void {
    this.#isHung = true;
  }

  /** An object that was there before the watch. */
  add(object: ServedObject): void {
    if (this.#isWanted(object)) this.#line("ADDED", object);
  }

  /** A change, as it looks through the selectors: what stops to match is deleted, what begins to match is added. */
  change({ object, previous, isRemoval }: Change): void {
    const was = previous !== undefined && this.#isWanted(previous);
    const is = !isRemoval && this.#isWanted(object);
    if (is) this.#line(was ? "MODIFIED" : "ADDED", object);
    else if (was) this.#line("DELETED", object);
  }

  bookmark(version: number): void {
    const { kind } = this.#target;
    const metadata = { resourceVersion: String(version), creationTimestamp: null };
    this.#line("BOOKMARK", { kind: kind.kind, apiVersion: apiVersionOf(kind), metadata });
  }

  fail(status: object): void {
    this.#line("ERROR", status);
    this.end();
  }

  end(): void {
    if (!this.#isHung) this.#response.end();
  }

  #line(type: string, object: object): void {
    if (!this.#isHung) this.#response.write(`${JSON.stringify({ type, object })}\n`);
  }
}
