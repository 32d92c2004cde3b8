import { fileURLToPath } from "node:url";

import { parseAllDocuments } from "yaml";

import { asObject, asObjects, asText } from "../../controller/objects/json.ts";
import { run } from "../harness/run.ts";
import { fetchKubeTools } from "../setup/fetch-kube-tools.ts";

/** Folder of the chart. */
export const CHART = fileURLToPath(new URL("../../charts/tote", import.meta.url));

/** Where the chart is installed in the tests. */
export const NAMESPACE = "tote-system";

export type Json = Readonly<Record<string, unknown>>;

/** A rendered object. */
export interface Manifest {
  readonly kind: string;
  readonly name: string;
  readonly namespace: string;
  readonly json: Json;
}

/** A pod of a rendered object. */
export interface RenderedPod {
  /** "Deployment tote" */
  readonly of: string;
  readonly labels: Json;
  readonly spec: Json;
  /** there is one */
  readonly container: Json;
}

/** Runs helm; returns stdout. Throws CommandError. */
export async function helm(args: readonly string[], values: object = {}): Promise<string> {
  const tools = await fetchKubeTools();
  const input = JSON.stringify(values);
  return (await run(tools.helm, [...args, "--values", "-"], { input })).stdout;
}

/** Renders the chart as release "tote" with values, hooks and tests included. */
export function renderText(values: object = {}, args: readonly string[] = []): Promise<string> {
  return helm(["template", "tote", CHART, "--namespace", NAMESPACE, ...args], values);
}

/** Renders the chart and parses what comes. */
export async function render(
  values: object = {},
  args: readonly string[] = [],
): Promise<readonly Manifest[]> {
  return parseManifests(await renderText(values, args));
}

/** Parses manifests; throws an Error for YAML that is none. */
export function parseManifests(text: string): readonly Manifest[] {
  return parseAllDocuments(text).flatMap((document) => {
    const [problem] = document.errors;
    if (problem !== undefined) throw problem;
    const json = asObject(document.toJS());
    if (Object.keys(json).length === 0) return [];
    const { name, namespace } = asObject(json["metadata"]);
    return [{ kind: asText(json["kind"]), name: asText(name), namespace: asText(namespace), json }];
  });
}

/** The one object of a kind and name. */
export function find(manifests: readonly Manifest[], kind: string, name: string): Json {
  const [found, ...more] = manifests.filter((one) => one.kind === kind && one.name === name);
  if (found === undefined || more.length > 0) {
    const there = manifests.map((one) => `${one.kind} ${one.name}`).join(", ");
    throw new Error(`expected one ${kind} ${name}, there are ${there}`);
  }
  return found.json;
}

/** Every pod that the objects make. */
export function pods(manifests: readonly Manifest[]): readonly RenderedPod[] {
  return manifests.flatMap(({ kind, name, json }) => {
    const template = podTemplate(kind, json);
    if (template === undefined) return [];
    const spec = asObject(template["spec"]);
    const [container, ...more] = asObjects(spec["containers"], 10);
    if (container === undefined || more.length > 0)
      throw new Error(`${kind} ${name} must have one container`);
    const labels = asObject(asObject(template["metadata"])["labels"]);
    return [{ of: `${kind} ${name}`, labels, spec, container }];
  });
}

/** The arguments of a pod's container. */
export function argsOf({ container }: RenderedPod): readonly string[] {
  const { args } = container;
  return Array.isArray(args) ? args.map(String) : [];
}

function podTemplate(kind: string, json: Json): Json | undefined {
  const spec = asObject(json["spec"]);
  switch (kind) {
    case "Pod":
      return json;
    case "CronJob":
      return asObject(asObject(asObject(spec["jobTemplate"])["spec"])["template"]);
    case "Deployment":
    case "DaemonSet":
    case "StatefulSet":
    case "Job":
      return asObject(spec["template"]);
    default:
      return undefined;
  }
}
