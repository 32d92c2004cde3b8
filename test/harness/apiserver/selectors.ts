import { asText, fieldAt } from "./json.ts";
import { badRequest } from "./status.ts";
import type { ServedObject } from "./types.ts";

/** Tells whether an object is selected. */
export type Selector = (object: ServedObject) => boolean;

/** Fields that may stand in a field selector, with how their value is read. */
export type SelectableFields = Readonly<Record<string, (object: ServedObject) => string>>;

/** Fields of every kind. */
export const META_FIELDS: SelectableFields = {
  "metadata.name": ({ metadata }) => metadata.name,
  "metadata.namespace": ({ metadata }) => metadata.namespace ?? "",
};

/** Fields that are read where their name says. */
export function plainFields(...paths: readonly string[]): SelectableFields {
  return Object.fromEntries(paths.map((path) => [path, (object) => asText(fieldAt(object, path))]));
}

/**
 * Reads a field selector: terms with =, == or !=, joined by commas.
 * @throws Refusal 400 for a field that cannot be selected by
 */
export function fieldSelector(text: string, fields: SelectableFields): Selector | undefined {
  if (text === "") return undefined;
  const terms = text.split(",").map((term) => {
    const [, name = "", operator, value = ""] = /^([^=!]+)(==|=|!=)(.*)$/.exec(term) ?? [];
    const read = fields[name];
    if (operator === undefined) throw badRequest(`invalid field selector: '${term}'`);
    if (read === undefined) throw badRequest(`field label not supported: ${name}`);
    return (object: ServedObject) => (read(object) === value) === (operator !== "!=");
  });
  return (object) => terms.every((term) => term(object));
}

/** The one name that a field selector allows, if it does: RBAC rules with resourceNames heed it. */
export function selectedName(text: string): string {
  return /(?:^|,)metadata\.name==?([^,]+)/.exec(text)?.[1] ?? "";
}

/**
 * Reads a label selector: `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a`, `!a`, joined by commas.
 * @throws Refusal 400 when it is none
 */
export function labelSelector(text: string): Selector | undefined {
  if (text.trim() === "") return undefined;
  const terms = text.match(/[^,(]+(?:\([^)]*\))?/g) ?? [];
  const tests = terms.map((term) => labelTerm(term.trim()));
  return ({ metadata }) => tests.every((test) => test(metadata.labels ?? {}));
}

function labelTerm(term: string): (labels: Readonly<Record<string, string>>) => boolean {
  const set = /^([\w./-]+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(term);
  if (set !== null) {
    const [, name = "", operator, list = ""] = set;
    const values = new Set(list.split(",").map((value) => value.trim()));
    return (labels) => values.has(labels[name] ?? "\0") === (operator === "in");
  }
  const equal = /^([\w./-]+)\s*(==|=|!=)\s*([\w.-]*)$/.exec(term);
  if (equal !== null) {
    const [, name = "", operator, value = ""] = equal;
    return (labels) => (labels[name] === value) === (operator !== "!=");
  }
  const exists = /^(!?)([\w./-]+)$/.exec(term);
  if (exists === null) throw badRequest(`unable to parse requirement: ${term}`);
  const [, not = "", name = ""] = exists;
  return (labels) => (labels[name] === undefined) === (not === "!");
}
