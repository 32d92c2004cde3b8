import type { Clock } from "../lib/clock.ts";
import { describeError } from "../lib/errors.ts";
import type { Logger } from "../lib/log.ts";
import { isForbidden, isNotFound } from "./kube/api-error.ts";
import type { KubeApi } from "./kube/kube-api.ts";
import { CUSTOM_RESOURCE_DEFINITIONS } from "./kube/resources.ts";
import { CRD_RECHECK_MS } from "./limits.ts";
import { checkCrd, CRD_NAME, missingCrd } from "./objects/crd-check.ts";

/** What the gate works with. */
export interface CrdGateOptions {
  readonly api: Pick<KubeApi, "get">;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Holds a leader back while the definition of SalvageRecord is missing or older than this version needs: an API server drops
 * the fields that an old one does not know, and a plan that is forgotten is made again and again. Helm does not upgrade it.
 */
export class CrdGate {
  readonly #options: CrdGateOptions;
  #problem = "";

  constructor(options: CrdGateOptions) {
    this.#options = options;
  }

  /** Why a leader waits, and what to do; "" when none does. */
  get problem(): string {
    return this.#problem;
  }

  /**
   * Resolves once the definition fits. Without the right to read it nobody waits. Each problem is said once.
   * @throws the reason of `signal`
   */
  async passed(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options;
    for (;;) {
      signal.throwIfAborted();
      const problem = await this.#look(signal);
      if (problem !== this.#problem) {
        if (problem === "") logger.info("the definition of SalvageRecord fits now");
        else logger.error("no image is salvaged before this is put right", { problem });
      }
      this.#problem = problem;
      if (problem === "") return;
      await clock.sleep(CRD_RECHECK_MS, signal);
    }
  }

  async #look(signal: AbortSignal): Promise<string> {
    const { api, logger } = this.#options;
    try {
      const check = checkCrd(await api.get(CUSTOM_RESOURCE_DEFINITIONS, { name: CRD_NAME }, { signal }));
      return check.kind === "current" ? "" : check.message;
    } catch (error) {
      signal.throwIfAborted();
      if (isNotFound(error)) return missingCrd().message;
      if (!isForbidden(error)) return `the definition ${CRD_NAME} cannot be read: ${describeError(error)}`;
      logger.warn("the definition of SalvageRecord may not be read, it is taken to fit", { error });
      return "";
    }
  }
}
