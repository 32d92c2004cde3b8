import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/log.ts";
import { KUBELET_EVENT_REASONS, stripKubeletEvent, type KubeletEvent } from "./detect/kubelet-event.ts";
import { isForbidden } from "./kube/api-error.ts";
import type { KubeApi } from "./kube/kube-api.ts";
import type { KubeMetrics } from "./kube/metrics.ts";
import { Reflector } from "./kube/reflector.ts";
import { ANY_EVENTS } from "./kube/resources.ts";
import { EVENTS_FORBIDDEN_RETRY_MS } from "./limits.ts";

/** The few Events of kubelets that tell of failures which no pod's status tells. */
export interface EventWatch {
  /** What was said about a pod, by its uid. */
  about(podUid: string): readonly KubeletEvent[];
  /** Resolves once all of them that are there have been read, or may not be. */
  readonly read: Promise<void>;
  /** Lists and watches until `signal` fires; without the right to, it says so once and looks again now and then. */
  run(signal: AbortSignal): Promise<void>;
}

/** What the watch works with. */
export interface EventWatchOptions {
  readonly api: KubeApi;
  readonly clock: Clock;
  /** 0 to 1 */
  readonly random: () => number;
  readonly logger: Logger;
  readonly metrics: KubeMetrics;
  /** something was said about this pod ("namespace/name") */
  readonly onEvent: (podKey: string) => void;
}

/**
 * Watches Events of kubelets, one watch for each reason, so that the API server leaves out the flood of the others. Nothing
 * else waits for it for long: a cluster without these Events is seen as well as pods' status tells. Starts nothing.
 */
export function createEventWatch(options: EventWatchOptions): EventWatch {
  const { api, clock, random, logger, metrics, onEvent } = options;
  const reflectors = KUBELET_EVENT_REASONS.map((reason) => {
    const label = `events-${reason}`;
    const reflector = new Reflector<KubeletEvent, "pod">({
      api,
      resource: ANY_EVENTS,
      selection: { fieldSelector: `regarding.kind=Pod,reason=${reason}` },
      strip: stripKubeletEvent,
      indexers: { pod: ({ podUid }) => [podUid] },
      clock,
      random,
      logger: logger.child("watch", { watch: label }),
      observer: metrics.reflectorObserver(label),
    });
    metrics.showReflector(label, reflector);
    const tell = (key: string): void => {
      const event = reflector.store.get(key);
      if (event !== undefined) onEvent(event.podKey);
    };
    // what is forgotten says nothing
    reflector.subscribe({ added: tell, updated: tell });
    return reflector;
  });

  const read = Promise.withResolvers<void>();
  void Promise.all(reflectors.map(({ synced }) => synced)).then(() => read.resolve());

  async function allowed(signal: AbortSignal): Promise<boolean> {
    try {
      await api.list(ANY_EVENTS, { limit: 1, signal }).next();
    } catch (error) {
      // whatever else is wrong, the reflectors deal with it
      return !isForbidden(error);
    }
    return true;
  }

  return {
    read: read.promise,
    about: (podUid) => reflectors.flatMap(({ store }) => store.find("pod", podUid)),
    async run(signal) {
      let isSaid = false;
      while (!signal.aborted && !(await allowed(signal))) {
        if (!isSaid) {
          logger.warn(
            "Events may not be read, so that pulls that hang and sandbox images that fail are not seen, nor why a pull failed before this start: grant list and watch on events of events.k8s.io",
          );
        }
        isSaid = true;
        read.resolve();
        // it ends early for nothing but the signal
        await clock.sleep(EVENTS_FORBIDDEN_RETRY_MS, signal).catch(() => undefined);
      }
      await Promise.all(reflectors.map((reflector) => reflector.run(signal)));
    },
  };
}
