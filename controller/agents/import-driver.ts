import { randomUUID } from "node:crypto";

import { ConnectError } from "@connectrpc/connect";

import type { Clock } from "../../lib/clock.ts";
import { signImportGrants } from "../../lib/grant-order.ts";
import type { TlsMaterial } from "../../lib/tls.ts";
import {
  ImportFailureSchema,
  type ImportProgress,
  type ImportResult,
} from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { withIdleLimit } from "../kube/idle.ts";
import type { ImportFailureFacts } from "../salvage/import-failure.ts";
import type { TransferBytes } from "../salvage/record-change.ts";
import type { AgentClient } from "./agent-clients.ts";
import type { AgentDirectory } from "./agent-directory.ts";
import { CANCEL_TIMEOUT_MS, IMPORT_SILENCE_MS } from "./limits.ts";

/** One import that a plan asks for. */
export interface ImportTask {
  readonly digest: string;
  readonly names: readonly string[];
  readonly targetNode: string;
  /** nodes to read from, best first */
  readonly sources: readonly string[];
  /** every blob that the target may read from them */
  readonly blobs: readonly string[];
  /** largest image in compressed bytes; 0 means no limit */
  readonly maxBytes: number;
  /** "namespace/name" */
  readonly record: string;
  /** of the leader's term */
  readonly epoch: number;
}

/** How an import has ended. */
export interface ImportOutcome extends TransferBytes {
  readonly configDigest: string;
  /** nodes that bytes came from */
  readonly sources: readonly string[];
  /** the kubelet would see the image */
  readonly visible: boolean;
  /** why not */
  readonly message: string;
}

/** An import has failed; `facts` is what rules look at. */
export class ImportCallError extends Error {
  override readonly name = "ImportCallError";
  readonly facts: ImportFailureFacts;

  constructor(facts: ImportFailureFacts, options?: ErrorOptions) {
    super(facts.message, options);
    this.facts = facts;
  }
}

/** Has agents bring images to their nodes. */
export interface ImportDriver {
  /** @throws ImportCallError; the signal's reason, the import then goes on for a while without a caller */
  run(
    task: ImportTask,
    onProgress: (bytes: TransferBytes) => void,
    signal: AbortSignal,
  ): Promise<ImportOutcome>;
  /** Stops an import and removes what it stored; answers whether there was one. */
  cancel(task: ImportTask, signal: AbortSignal): Promise<boolean>;
  /** Removes a name that still points at the digest, unless the image can be run; answers whether there was one. */
  removeName(node: string, name: string, digest: string, signal: AbortSignal): Promise<boolean>;
}

/** What imports are driven with. */
export interface ImportDriverOptions {
  readonly clients: { get(node: string): AgentClient | undefined };
  readonly directory: AgentDirectory;
  /** what grants are signed with; undefined with --insecure */
  readonly tls: () => TlsMaterial | undefined;
  readonly clock: Clock;
  /** milliseconds that a grant lives */
  readonly grantLifetimeMs: number;
}

/** Drives imports over RPC. */
export class RpcImportDriver implements ImportDriver {
  readonly #options: ImportDriverOptions;

  constructor(options: ImportDriverOptions) {
    this.#options = options;
  }

  async run(
    task: ImportTask,
    onProgress: (bytes: TransferBytes) => void,
    signal: AbortSignal,
  ): Promise<ImportOutcome> {
    const client = this.#client(task.targetNode);
    const sources = this.#sources(task);
    const grant = await this.#grant(task);
    const { names, digest, maxBytes } = task;
    const request = { names: [...names], digest, sources, grant, maxBytes: BigInt(maxBytes) };
    let last: TransferBytes = { bytesTotal: 0, bytesTransferred: 0, bytesReused: 0 };
    try {
      return await withIdleLimit(this.#options.clock, IMPORT_SILENCE_MS, signal, async (inner, touch) => {
        for await (const { event } of client.importImage(request, { signal: inner })) {
          touch();
          if (event.case === "result") return outcomeOf(event.value, last);
          if (event.case === "progress") onProgress((last = bytesOf(event.value)));
        }
        throw new Error("the agent ended its answer without a result");
      });
    } catch (error) {
      signal.throwIfAborted();
      throw callError(error);
    }
  }

  async cancel(task: ImportTask, signal: AbortSignal): Promise<boolean> {
    const grant = await this.#grant(task);
    const client = this.#client(task.targetNode);
    const answer = await client.cancelImport(
      { digest: task.digest, grant },
      { signal, timeoutMs: CANCEL_TIMEOUT_MS },
    );
    return answer.cancelled;
  }

  async removeName(node: string, name: string, digest: string, signal: AbortSignal): Promise<boolean> {
    const answer = await this.#client(node).removeImage(
      { name, digest, keepRunnable: true },
      { signal, timeoutMs: CANCEL_TIMEOUT_MS },
    );
    return answer.removed;
  }

  #client(node: string): AgentClient {
    const client = this.#options.clients.get(node);
    if (client === undefined) throw callError(new Error(`node ${node} has no ready agent`));
    return client;
  }

  #sources(task: ImportTask): { readonly node: string; readonly endpoint: string }[] {
    return task.sources.flatMap((node) => {
      const endpoint = this.#options.directory.urlOf(node);
      return endpoint === undefined ? [] : [{ node, endpoint }];
    });
  }

  async #grant(task: ImportTask): Promise<string> {
    const { tls, clock, grantLifetimeMs } = this.#options;
    const material = tls();
    if (material === undefined) return "";
    const { importGrant } = await signImportGrants(
      {
        ...task,
        sources: this.#sources(task),
        now: clock.now(),
        lifetimeMs: grantLifetimeMs,
        id: randomUUID(),
      },
      material,
    );
    return importGrant;
  }
}

/** An RPC's error as rules look at it. */
export function callError(error: unknown): ImportCallError {
  if (error instanceof ImportCallError) return error;
  const failure = ConnectError.from(error);
  const [detail] = failure.findDetails(ImportFailureSchema);
  return new ImportCallError(
    {
      code: failure.code,
      message: failure.rawMessage,
      ...(detail !== undefined && {
        detail: {
          retryable: detail.retryable,
          sources: detail.sources.map(({ source, message }) => ({ node: source?.node ?? "", message })),
        },
      }),
    },
    { cause: error },
  );
}

function bytesOf(progress: ImportProgress): TransferBytes {
  return {
    bytesTotal: Number(progress.bytesTotal),
    bytesTransferred: Number(progress.bytesTransferred),
    bytesReused: Number(progress.bytesReused),
  };
}

function outcomeOf(result: ImportResult, last: TransferBytes): ImportOutcome {
  const bytesTransferred = Number(result.bytesTransferred);
  const bytesReused = Number(result.bytesReused);
  return {
    bytesTotal: last.bytesTotal === 0 ? bytesTransferred + bytesReused : last.bytesTotal,
    bytesTransferred,
    bytesReused,
    configDigest: result.configDigest,
    sources: result.sources.map(({ node }) => node),
    visible: result.visible,
    message: result.message,
  };
}
