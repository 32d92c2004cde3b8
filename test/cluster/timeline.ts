/** When what happened between a pod's failure and its container, in milliseconds since 1970. */
export interface Timeline {
  /** the kubelet says that the pull failed */
  readonly failed: number;
  /** the controller has a record of it */
  readonly detected: number;
  /** the record has a plan */
  readonly planned: number;
  /** the agent is told */
  readonly started: number;
  /** ImageStatus of CRI says yes */
  readonly visible: number;
  /** the agent says that all is there */
  readonly salvaged: number;
  /** the container runs */
  readonly running: number;
}

/** A limit and what was measured, in milliseconds. */
export interface Bar {
  readonly what: string;
  readonly limit: number;
  readonly measured: number;
}

/** of a healthy pull's time */
const TRANSFER_MAX_FACTOR = 1.6;
const REST_MAX_MS = 2000;
const RUNNING_MAX_MS = 3000;

const STEPS = [
  ["failed", "the pull fails"],
  ["detected", "record made"],
  ["planned", "sources found, authorised"],
  ["started", "transfer begins"],
  ["visible", "ImageStatus says yes"],
  ["salvaged", "transfer ends, verified"],
  ["running", "container runs"],
] as const satisfies readonly (readonly [keyof Timeline, string])[];

/** The bars that a salvage is measured by. @param pullMs what a healthy pull of the same image took */
export function timelineBars(times: Timeline, pullMs: number): readonly Bar[] {
  const transfer = times.salvaged - times.started;
  return [
    {
      what: `transfer, at most ${TRANSFER_MAX_FACTOR} times a healthy pull`,
      limit: pullMs * TRANSFER_MAX_FACTOR,
      measured: transfer,
    },
    {
      what: "everything that is not transfer",
      limit: REST_MAX_MS,
      measured: times.running - times.failed - transfer,
    },
    {
      what: "from ImageStatus saying yes to running",
      limit: RUNNING_MAX_MS,
      measured: times.running - times.visible,
    },
  ];
}

/** Lines of a table: each step in the order of time, and the bars. */
export function timelineTable(times: Timeline, pullMs: number): readonly string[] {
  const steps = STEPS.map(([step, what]) => ({ what, at: times[step] })).toSorted((a, b) => a.at - b.at);
  const rows = steps.map(({ what, at }, index) => {
    const before = steps[index - 1]?.at ?? at;
    return `${seconds(at - times.failed)}  +${seconds(at - before).trimStart()}  ${what}`;
  });
  const bars = timelineBars(times, pullMs).map(
    ({ what, limit, measured }) =>
      `${measured <= limit ? "met   " : "missed"} ${what}: ${seconds(measured).trim()} of ${seconds(limit).trim()}`,
  );
  return [...rows, `${seconds(pullMs)}  a healthy pull of the same image`, ...bars];
}

/**
 * What the kubelet says that a pull took, in milliseconds: "Successfully pulled image "x" in 1m2.5s" (and since
 * Kubernetes 1.28 " (1m3s including waiting)"). Throws an Error when it says nothing of it.
 */
export function pullDuration(message: string): number {
  const [, text] = /^Successfully pulled image .* in ([0-9a-zµ.]+)/.exec(message) ?? [];
  if (text === undefined) throw new Error(`no duration of a pull in "${message}"`);
  let ms = 0;
  for (const [, number, unit = ""] of text.matchAll(/([0-9.]+)(h|ms|m|s|µs|ns)/g)) {
    ms += Number(number) * (UNITS[unit] ?? 0);
  }
  return ms;
}

/** of Go's time.Duration, in milliseconds */
const UNITS: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
  µs: 1e-3,
  ns: 1e-6,
};

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2).padStart(7)} s`;
}
