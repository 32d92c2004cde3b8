import { isMap, isScalar, parseDocument, type Pair } from "yaml";

import { asObject } from "../../controller/objects/json.ts";

/** One documented value. */
export interface DocumentedValue {
  /** e.g. "agent.grpcPort" */
  readonly path: string;
  /** as JSON */
  readonly fallback: string;
  /** its comment; "" without */
  readonly text: string;
}

const START = "<!-- values -->";
const END = "<!-- end of values -->";

/** The leaves of values.yaml with their comments: what holds further documented values is no leaf. */
export function documentedValues(yaml: string): readonly DocumentedValue[] {
  const document = parseDocument(yaml);
  const { contents } = document;
  if (!isMap(contents)) throw new Error("values.yaml holds no mapping");
  const values: unknown = document.toJS();
  return contents.items.flatMap((pair, at) => {
    // the comment of a mapping's first key is the mapping's own
    return leaves(pair, { parent: [], values, comment: at === 0 ? contents.commentBefore : "" });
  });
}

/** The table of values in Markdown. */
export function valuesTable(yaml: string): string {
  const rows = documentedValues(yaml).map(
    ({ path, fallback, text }) => `| \`${path}\` | \`${fallback}\` | ${text.replaceAll("|", "\\|")} |`,
  );
  return ["| value | default | what it is |", "| --- | --- | --- |", ...rows].join("\n");
}

/** A README with the table in its place. Throws an Error when the place is not marked. */
export function withTable(readme: string, table: string): string {
  const [start, end] = [readme.indexOf(START), readme.indexOf(END)];
  if (start < 0 || end < start) throw new Error(`the README has no place for values: ${START} ... ${END}`);
  return `${readme.slice(0, start + START.length)}\n\n${table}\n\n${readme.slice(end)}`;
}

interface Place {
  readonly parent: readonly string[];
  /** of the whole file */
  readonly values: unknown;
  readonly comment: string | null | undefined;
}

function leaves(pair: Pair, { parent, values, comment }: Place): readonly DocumentedValue[] {
  const { key, value } = pair;
  if (!isScalar(key)) throw new Error("a key of values.yaml is no text");
  const path = [...parent, String(key.value)];
  const text = clean(key.commentBefore ?? comment ?? "");
  // a documented mapping is one value: what is in it is the user's
  if (isMap(value) && value.items.length > 0 && text === "") {
    return value.items.flatMap((item, at) =>
      leaves(item, { parent: path, values, comment: at === 0 ? value.commentBefore : "" }),
    );
  }
  const found = path.reduce<unknown>((inside, name) => asObject(inside)[name], values);
  return [{ path: path.join("."), fallback: JSON.stringify(found), text }];
}

function clean(comment: string): string {
  return comment
    .split("\n")
    .map((line) => line.trim())
    .join(" ")
    .trim();
}
