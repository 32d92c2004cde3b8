import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import { SOURCE_TOUCH_MS } from "../limits.ts";
import type { OpenBlob } from "./peer.ts";
import type { SourcePool } from "./source-pool.ts";

/** The import that sources are to be kept for. */
export interface HeartbeatSubject {
  readonly digest: string;
  readonly pool: SourcePool;
  /** the latest caller's export grant */
  readonly exportGrant: string;
}

/**
 * Keeps the lease and the grant of every source alive while an import runs, those included that are only there for a
 * fall: asks each for the image's root now and then, and reads nothing of it. Returns when the signal fires.
 */
export async function keepSources(
  subject: HeartbeatSubject,
  options: { readonly openBlob: OpenBlob; readonly clock: Clock; readonly logger: Logger },
  signal: AbortSignal,
): Promise<void> {
  const { openBlob, clock, logger } = options;
  const { digest, pool } = subject;

  async function touch(endpoint: string): Promise<void> {
    const request = { endpoint, digest, offset: 0, imageDigest: digest, grant: subject.exportGrant, signal };
    try {
      for await (const message of openBlob(request)) if ("size" in message) break;
    } catch (error) {
      // a source that is not there shows when it is needed
      logger.debug("source does not answer", { endpoint, error });
    }
  }

  while (!signal.aborted) {
    await Promise.all(pool.alive.map(({ endpoint }) => touch(endpoint)));
    await clock.sleep(SOURCE_TOUCH_MS, signal).catch(() => undefined);
  }
}
