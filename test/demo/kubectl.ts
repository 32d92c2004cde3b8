/** Objects as `kubectl get` prints them. */

import { asObject, asObjects, asText, asTime } from "../../controller/objects/json.ts";

/** A column: its heading, and what stands in it for an object. */
export interface Column {
  readonly title: string;
  readonly value: (object: unknown, now: number) => string;
}

const COLUMN_GAP = "   ";
const NAME: Column = {
  title: "NAME",
  value: (object) => asText(asObject(asObject(object)["metadata"])["name"]),
};

/** Columns of Events of events.k8s.io/v1, as kubectl has them for core Events. */
export const EVENT_COLUMNS: readonly Column[] = [
  { title: "LAST SEEN", value: (event, now) => age(asText(asObject(event)["eventTime"]), now) },
  { title: "TYPE", value: (event) => asText(asObject(event)["type"]) },
  { title: "REASON", value: (event) => asText(asObject(event)["reason"]) },
  {
    title: "OBJECT",
    value(event) {
      const { kind, name } = asObject(asObject(event)["regarding"]);
      return `${asText(kind).toLowerCase()}/${asText(name)}`;
    },
  },
  { title: "MESSAGE", value: (event) => asText(asObject(event)["note"]) },
];

/** The columns that a CustomResourceDefinition declares for its first version, without those of `-o wide`. */
export function columnsOf(definition: unknown): readonly Column[] {
  const [version] = asObjects(asObject(asObject(definition)["spec"])["versions"], 16);
  const declared = asObjects(version?.["additionalPrinterColumns"], 64);
  const shown = declared.filter(({ priority }) => priority === undefined || priority === 0);
  const columns = shown.map(({ name, type, jsonPath }): Column => {
    const path = asText(jsonPath);
    return {
      title: asText(name).toUpperCase(),
      value(object, now) {
        const found = lookUp(object, path);
        return type === "date" ? age(found, now) : found;
      },
    };
  });
  return [NAME, ...columns];
}

/** A table with a heading, without a newline at its end. */
export function formatTable(columns: readonly Column[], objects: readonly unknown[], now: number): string {
  const rows = [
    columns.map(({ title }) => title),
    ...objects.map((object) => columns.map(({ value }) => value(object, now))),
  ];
  const widths = columns.map((_column, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join(COLUMN_GAP)
        .trimEnd(),
    )
    .join("\n");
}

/** A value by a path such as ".status.sources[0]"; "" when there is none. */
function lookUp(object: unknown, path: string): string {
  let value = object;
  for (const [, field, index] of path.matchAll(/\.([A-Za-z0-9]+)|\[(\d+)\]/g)) {
    if (field !== undefined) value = asObject(value)[field];
    else value = Array.isArray(value) ? value[Number(index)] : undefined;
  }
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

/** "7s", "3m", "2h". */
function age(time: string, now: number): string {
  const seconds = Math.max(0, Math.floor((now - asTime(time)) / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`;
  return `${Math.floor(seconds / 3600)}h`;
}
