import { GiveUp, waitFor } from "../harness/wait.ts";
import type { KubeAccess } from "./kubeconfig.ts";

const readyTimeoutMs = 120_000;

/**
 * Waits until /readyz of an API server says yes. Throws an Error with the logs when it does not.
 * @param watch.ended name of a process without which it never will
 */
export async function waitForApi(
  access: KubeAccess,
  watch: {
    readonly ended: () => string | undefined;
    readonly logs: () => string;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<void> {
  const { Agent, fetch } = await import("undici");
  const dispatcher = new Agent({ connect: { ca: access.ca } });
  try {
    await waitFor(
      `${access.server}/readyz`,
      async () => {
        const gone = watch.ended();
        if (gone !== undefined) throw new GiveUp(`${gone} has ended`);
        const answer = await fetch(`${access.server}/readyz`, {
          dispatcher,
          headers: { authorization: `Bearer ${access.token}` },
          signal: AbortSignal.timeout(5000),
        });
        await answer.body?.cancel();
        return answer.ok;
      },
      { timeoutMs: readyTimeoutMs, intervalMs: 200, signal: watch.signal },
    );
  } catch (error) {
    throw new Error(`the API server did not come up:\n${watch.logs()}`, { cause: error });
  } finally {
    await dispatcher.close();
  }
}
