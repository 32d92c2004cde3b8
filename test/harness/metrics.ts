/** Reading Prometheus metrics in tests, by a parser that refuses what a strict scraper would refuse. */

/** One sample of a metric. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Metrics of one name with their help and type. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly samples: readonly Sample[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;
const TYPES: ReadonlySet<string> = new Set(["counter", "gauge", "histogram", "summary", "untyped"]);
/** what a histogram appends to its name */
const HISTOGRAM_SUFFIX = /_(?:bucket|sum|count)$/;

/**
 * Parses the Prometheus text format 0.0.4 as strictly as `promtool check metrics`: help and type before samples, one
 * block per family, counters that end in _total, histograms with rising buckets up to +Inf, nothing twice.
 * Throws an Error that names the line.
 */
export function parseMetrics(text: string): ReadonlyMap<string, MetricFamily> {
  if (!text.endsWith("\n")) throw new Error("metrics do not end with a line break");
  const families = new Map<string, { name: string; help: string; type: string; samples: Sample[] }>();
  let current: { name: string; help: string; type: string; samples: Sample[] } | undefined;
  const seen = new Set<string>();
  for (const line of text.split("\n").slice(0, -1)) {
    if (line === "") continue;
    const refuse = (why: string): Error => new Error(`metrics line ${JSON.stringify(line)}: ${why}`);
    const [, keyword, name = "", rest = ""] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (keyword === "HELP") {
      if (!NAME.test(name)) throw refuse("illegal name");
      if (families.has(name)) throw refuse("the family is there twice");
      current = { name, help: rest, type: "", samples: [] };
      families.set(name, current);
    } else if (keyword === "TYPE") {
      if (current?.name !== name || current.type !== "") throw refuse("TYPE must follow its HELP");
      if (!TYPES.has(rest)) throw refuse("unknown type");
      if (rest === "counter" && !name.endsWith("_total")) throw refuse("a counter must end in _total");
      current.type = rest;
    } else {
      const sample = parseSample(line);
      if (sample === undefined) throw refuse("is no sample");
      const base = current?.type === "histogram" ? sample.name.replace(HISTOGRAM_SUFFIX, "") : sample.name;
      if (current === undefined || current.type === "" || base !== current.name) {
        throw refuse("a sample must stand below HELP and TYPE of its family");
      }
      const id = `${sample.name} ${describeLabels(sample.labels)}`;
      if (seen.has(id)) throw refuse("the sample is there twice");
      seen.add(id);
      current.samples.push(sample);
    }
  }
  for (const family of families.values()) if (family.type === "histogram") checkHistogram(family);
  return families;
}

function parseSample(line: string): Sample | undefined {
  const [, name, labelText = "", valueText = ""] = LINE.exec(line) ?? [];
  if (name === undefined) return undefined;
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < labelText.length) {
    const match = LABEL.exec(labelText);
    if (match?.[1] === undefined || match[1] in labels) return undefined;
    labels[match[1]] = match[2] ?? "";
  }
  const value = /^[+-]?Inf$/.test(valueText)
    ? Number(valueText.replace("Inf", "Infinity"))
    : Number(valueText);
  return Number.isNaN(value) && valueText !== "NaN" ? undefined : { name, labels, value };
}

function checkHistogram({ name, samples }: MetricFamily): void {
  const series = Map.groupBy(samples, ({ labels }) => describeLabels({ ...labels, le: "" }));
  for (const all of series.values()) {
    const buckets = all.filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels }) => Number((labels["le"] ?? "NaN").replace("Inf", "Infinity")));
    const counts = buckets.map(({ value }) => value);
    const count = all.find((sample) => sample.name === `${name}_count`)?.value;
    if (!isRising(bounds) || !isRising(counts) || bounds.at(-1) !== Infinity || counts.at(-1) !== count) {
      throw new Error(`histogram ${name} does not add up: ${JSON.stringify(all)}`);
    }
  }
}

function isRising(values: readonly number[]): boolean {
  return values.every((value, at) => at === 0 || value >= (values[at - 1] ?? Number.NaN));
}

function describeLabels(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .sort()
    .join();
}
