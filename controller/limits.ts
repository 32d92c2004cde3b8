/** Every bound of the controller: sizes in bytes or characters, times in milliseconds. */

/** The heap may grow by so much over what is in use before it is collected anew. */
export const HEAP_GROWTH_PERCENT = 30;

/** Longest image name that is kept; the longest legal one has fewer. A longer one is cut so that it stays illegal. */
export const IMAGE_MAX_CHARS = 1024;
/** Longest message of a kubelet that is kept: its head and, since the cause stands last, more of its tail. */
export const MESSAGE_HEAD_CHARS = 1024;
export const MESSAGE_TAIL_CHARS = 3072;
/** Longest value of an annotation of ours that is kept. */
export const ANNOTATION_MAX_CHARS = 64;
/** Containers of one kind that are looked at in a pod. */
export const CONTAINERS_MAX = 256;
/** Image volumes that are looked at in a pod. */
export const IMAGE_VOLUMES_MAX = 64;
/** Failures of one pod that are acted on; each may become a record. */
export const FAILURES_PER_POD_MAX = 32;
/** Images of one node that are kept; the kubelet reports 50 by default. */
export const NODE_IMAGES_MAX = 500;
/** Names of one image on a node that are kept; the kubelet reports 5. */
export const NODE_IMAGE_NAMES_MAX = 16;
/** Owners that are followed upwards from a pod. */
export const OWNER_CHAIN_MAX = 8;
/** Texts that are shared between objects; past it, sharing begins anew. */
export const STRING_POOL_MAX = 200_000;
/** Lists of texts that are shared likewise. */
export const LIST_POOL_MAX = 50_000;

/** A `Pulling` event without an end for so long is a pull that hangs: most large images are there sooner. */
export const HANGING_PULL_AFTER_MS = 2 * 60_000;
/** A sandbox failure that was not told again for so long is over: a kubelet tells at least every 5 minutes. */
export const SANDBOX_FAILURE_MAX_AGE_MS = 15 * 60_000;
/** Longest time that a leader waits for the first list of Events: what it decides by may be in them. */
export const EVENTS_READ_MAX_MS = 5_000;
/** Pause before another look whether Events may be read, when they may not. */
export const EVENTS_FORBIDDEN_RETRY_MS = 5 * 60_000;

/** Names of pods or nodes that are quoted as evidence. */
export const EVIDENCE_MAX = 20;

/** Sources in one plan: the best one and two more to fall back on. Each counts against the limit per source. */
export const PLAN_SOURCES_MAX = 3;
/** Transfers to one node at the same time. */
export const TRANSFERS_PER_TARGET = 1;
/** Transfers from one node at the same time. */
export const TRANSFERS_PER_SOURCE = 2;
/** Transfers in all, unless `--max-concurrent-salvages` says otherwise. */
export const TRANSFERS_TOTAL = 32;
/** Bytes on disk for each compressed byte of a layer, a cautious estimate. */
export const UNPACKED_PER_COMPRESSED = 3;

/** Pods named in one record; the rest is counted. */
export const RECORD_PODS_MAX = 20;
/** Longest message in a record, in characters. */
export const RECORD_MESSAGE_MAX_CHARS = 1024;
/** Records in the phase Refused that are kept; past it one event sums up. */
export const REFUSED_RECORDS_MAX = 1_000;
/** Pause before another look at a definition of SalvageRecord that does not fit. */
export const CRD_RECHECK_MS = 10_000;
/** Progress is written to a record at most so often. */
export const PROGRESS_WRITE_INTERVAL_MS = 2_000;
/** A record that does not move for so long ends in Failed. */
export const RECORD_STALL_MS = 30 * 60_000;
/** Pause before a failed salvage of the same pods is tried anew; doubles with each episode. */
export const FAILED_RECHECK_MS = 10 * 60_000;
export const FAILED_RECHECK_MAX_MS = 6 * 60 * 60_000;
/** A failure of the same owner and image so soon after the last belongs to the same incident. */
export const INCIDENT_WINDOW_MS = 30 * 60_000;

/** Attempts of one salvage without a byte in between, after which it has failed. */
export const ATTEMPTS_MAX = 8;
/** Pause after the first failed attempt; doubles with each. */
export const RETRY_BASE_MS = 2_000;
export const RETRY_MAX_MS = 60_000;

/** When the kubelet is nudged, counted from the image being visible. */
export const NUDGE_AT_MS: readonly number[] = [0, 10_000, 30_000, 60_000];
/** When a pod that still waits has not recovered, counted likewise. */
export const NOT_RECOVERED_AT_MS = 120_000;

/** Longest note of a Kubernetes Event, in bytes of UTF-8: a rule of the API server. */
export const EVENT_NOTE_MAX_BYTES = 1024;
/** Events about what happened longer ago are not made up for after a change of leader. */
export const EVENT_MAX_AGE_MS = 10 * 60_000;
/** How often the Events on pods that still fail are repeated: an API server keeps them for an hour. */
export const EVENT_REPEAT_MS = 30 * 60_000;
