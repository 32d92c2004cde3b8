import { setTimeout as sleep } from "node:timers/promises";

import type { ServiceError } from "@grpc/grpc-js";

import { imageStatus, pullImage, type CriImage, type HasSocket } from "../cri.ts";
import { isReference, referenceProblem } from "./reference.ts";

// Source: kubernetes pkg/kubelet/images/image_manager.go and helpers, client-go/util/flowcontrol/backoff.go

/** What a container asks for. */
export interface WantedImage {
  /** of the pod */
  readonly uid: string;
  readonly image: string;
  readonly pullPolicy: string;
}

/** An image is there, or why it is not. */
export type ImageOutcome =
  | { readonly kind: "present"; readonly image: CriImage }
  | { readonly kind: "waiting"; readonly reason: string; readonly message: string };

/** Times of the kubelet, in milliseconds. */
export interface PullTimes {
  /** pause after the first failed pull of an image for a pod; doubles */
  readonly backOffMs: number;
  readonly maxBackOffMs: number;
}

/** A pull that was tried. */
export interface PullRecord {
  readonly image: string;
  /** "" for a pull that worked */
  readonly error: string;
}

interface BackOff {
  /** monotonic */
  readonly since: number;
  readonly ms: number;
  /** how the last pull failed */
  readonly cause: string;
}

/** codes of gRPC by number, as Go prints them */
const CODES = [
  "OK",
  "Canceled",
  "Unknown",
  "InvalidArgument",
  "DeadlineExceeded",
  "NotFound",
  "AlreadyExists",
  "PermissionDenied",
  "ResourceExhausted",
  "FailedPrecondition",
  "Aborted",
  "OutOfRange",
  "Unimplemented",
  "Internal",
  "Unavailable",
  "DataLoss",
  "Unauthenticated",
];

/** Gets images as the kubelet does: one pull at a time, and a back-off for each pod and image. */
export class ImagePuller {
  readonly #node: HasSocket;
  readonly #times: PullTimes;
  readonly #quotesCause: boolean;
  readonly #backOffs = new Map<string, BackOff>();
  readonly #pulls: PullRecord[] = [];
  #queue: Promise<unknown> = Promise.resolve();

  /** @param options.quotesCause the back-off message ends in the last error, as from Kubernetes 1.32 on */
  constructor(options: {
    readonly node: HasSocket;
    readonly times: PullTimes;
    readonly quotesCause: boolean;
  }) {
    this.#node = options.node;
    this.#times = options.times;
    this.#quotesCause = options.quotesCause;
  }

  get pulls(): readonly PullRecord[] {
    return this.#pulls;
  }

  /** Makes sure that an image is there, or says why it is not. */
  async ensure(wanted: WantedImage, signal: AbortSignal): Promise<ImageOutcome> {
    const { image, pullPolicy } = wanted;
    if (!isReference(image)) return waiting("InvalidImageName", referenceProblem(image));
    const found = await this.#status(image, signal);
    if (typeof found === "string")
      return waiting("ImageInspectError", `Failed to inspect image "${image}": ${found}`);
    if (found !== undefined && pullPolicy !== "Always") return { kind: "present", image: found };
    if (pullPolicy === "Never") {
      return waiting(
        "ErrImageNeverPull",
        `Container image "${image}" is not present with pull policy of Never`,
      );
    }
    return await this.#pull(wanted, signal);
  }

  /** Forgets what it knows of a pod that is gone. */
  forget(uid: string): void {
    for (const key of this.#backOffs.keys()) {
      if (key.startsWith(`${uid}_`)) this.#backOffs.delete(key);
    }
  }

  async #pull({ uid, image }: WantedImage, signal: AbortSignal): Promise<ImageOutcome> {
    const key = `${uid}_${image}`;
    const backOff = this.#backOffs.get(key);
    if (backOff !== undefined && performance.now() - backOff.since < backOff.ms) {
      const cause = this.#quotesCause ? `: ErrImagePull: ${backOff.cause}` : "";
      return waiting("ImagePullBackOff", `Back-off pulling image "${image}"${cause}`);
    }
    const error = await this.#inTurn(() => this.#try(image, signal), signal);
    this.#pulls.push({ image, error });
    if (error === "") {
      const found = await this.#status(image, signal);
      if (typeof found === "object") return { kind: "present", image: found };
    }
    const { backOffMs, maxBackOffMs } = this.#times;
    // one that was long ago begins anew
    const isOld = backOff === undefined || performance.now() - backOff.since > 2 * maxBackOffMs;
    const ms = isOld ? backOffMs : Math.min(backOff.ms * 2, maxBackOffMs);
    this.#backOffs.set(key, { since: performance.now(), ms, cause: error });
    return waiting("ErrImagePull", error);
  }

  async #try(image: string, signal: AbortSignal): Promise<string> {
    try {
      await pullImage(this.#node, image, { signal });
      return "";
    } catch (error) {
      signal.throwIfAborted();
      return goError(error);
    }
  }

  async #status(image: string, signal: AbortSignal): Promise<CriImage | string | undefined> {
    try {
      return await imageStatus(this.#node, image, signal);
    } catch (error) {
      signal.throwIfAborted();
      return goError(error);
    }
  }

  /** `--serialize-image-pulls`, the default: a pull that hangs holds up all others of the node. */
  async #inTurn<T>(run: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const before = this.#queue;
    const turn = Promise.withResolvers<void>();
    this.#queue = turn.promise;
    try {
      await before;
      signal.throwIfAborted();
      return await run();
    } finally {
      turn.resolve();
    }
  }
}

function waiting(reason: string, message: string): ImageOutcome {
  return { kind: "waiting", reason, message };
}

/** An error of gRPC as a kubelet prints it. */
export function goError(error: unknown): string {
  if (!isServiceError(error)) return String(error);
  return `rpc error: code = ${CODES[error.code] ?? "Unknown"} desc = ${error.details}`;
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && "details" in error;
}

/** Waits, or throws the signal's reason. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal });
}
