import { type Code, ConnectError } from "@connectrpc/connect";

import {
  ImportFailureSchema,
  type ImportProgress,
  type ImportResult,
} from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import type { Rig, RigImport } from "./rig.ts";
import { GiveUp, waitFor } from "./wait.ts";

/** An import that a test watches and interferes with. */
export interface RunningImport {
  /** the agent's last message so far */
  readonly progress: ImportProgress | undefined;
  /** how it ends for this caller */
  readonly result: Promise<ImportResult>;
  /** Waits for a progress message that `holds`. Throws when the import has ended. */
  until(what: string, holds: (progress: ImportProgress) => boolean): Promise<ImportProgress>;
  /** Waits until bytes of layers have come in, but not all: when things go wrong. Throws when it has ended. */
  untilInTheMiddle(): Promise<ImportProgress>;
  /** The caller dies: its stream is aborted. */
  leave(): Promise<void>;
}

/** How an import failed, as its caller is told. */
export interface ImportFailed {
  readonly code: Code;
  readonly message: string;
  readonly retryable: boolean;
  readonly bytesResumable: number;
  /** node names and words of sources that failed */
  readonly sources: ReadonlyMap<string, string>;
}

/** More than the manifest and configuration of any image of the tests. */
const METADATA_BYTES = 100_000n;

/** Starts an import and returns when the agent has answered with its first message. */
export async function startImport(rig: Rig, order: RigImport): Promise<RunningImport> {
  const caller = new AbortController();
  let progress: ImportProgress | undefined;
  let hasEnded = false;
  const result = rig.import({
    ...order,
    signal: caller.signal,
    onProgress: (message) => {
      progress = message;
      order.onProgress?.(message);
    },
  });
  const settled = result.then(
    () => (hasEnded = true),
    () => (hasEnded = true),
  );
  const running: RunningImport = {
    get progress() {
      return progress;
    },
    result,
    async until(what, holds) {
      return await waitFor(what, () => {
        if (hasEnded) throw new GiveUp(`the import has ended, in vain for ${what}`);
        return progress !== undefined && holds(progress) ? progress : undefined;
      });
    },
    untilInTheMiddle: () =>
      running.until(
        "the import to be in the middle",
        ({ bytesTransferred, bytesTotal }) =>
          bytesTransferred > METADATA_BYTES && bytesTransferred < bytesTotal,
      ),
    async leave() {
      caller.abort();
      await settled;
    },
  };
  await waitFor("the agent to answer an import", () => progress !== undefined || hasEnded);
  return running;
}

/** Waits for an import to fail and says how. Throws an Error when it does not fail, or fails without its detail. */
export async function failureOf(result: Promise<ImportResult>): Promise<ImportFailed> {
  const error = await result.then(
    () => undefined,
    (reason: unknown) => ConnectError.from(reason),
  );
  if (error === undefined) throw new Error("the import succeeded, it was expected to fail");
  const [detail] = error.findDetails(ImportFailureSchema);
  if (detail === undefined)
    throw new Error(`the failure has no ImportFailure: ${error.message}`, { cause: error });
  return {
    code: error.code,
    message: error.rawMessage,
    retryable: detail.retryable,
    bytesResumable: Number(detail.bytesResumable),
    sources: new Map(detail.sources.map(({ source, message }) => [source?.node ?? "", message])),
  };
}
