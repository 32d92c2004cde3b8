import { glob, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Files of tests that run together. */
export interface Suite {
  readonly name: string;
  readonly files: readonly string[];
}

/** Suites that have an API server of their own, and so do not touch the cluster. */
export const APART: readonly string[] = ["chart", "control", "webhook"];
/** Waits five minutes for a kubelet to collect images: time for others. */
export const WAITS = "collection";

/** Suites that can do with any cluster, such as kind or k3s: that of KUBECONFIG. */
export const NODELESS: readonly string[] = ["definition", "rights"];

const SUITES = fileURLToPath(new URL("suites/", import.meta.url));
const CONTROL = fileURLToPath(new URL("../control/", import.meta.url));

/** whoever imports it has an API server in memory: its clock leaps, pods and agents are simulated beside it */
const SIMULATED_RIG = "./simulated-rig.ts";
/** Other tests of the controller that cannot run on a real API server, and why; all else does, what is to come included. */
export const MEMORY_ONLY: ReadonlyMap<string, string> = new Map([
  ["doctor.test.ts", "takes away the definition, leases, and at last the API server itself"],
  ["killed-at-steps.test.ts", "has the API server fail on demand"],
  ["shutdown.test.ts", "has the API server hang on demand"],
  ["leaders.test.ts", "looks at each request that the API server gets"],
]);

/** All suites, by name: those of the cluster, and "control", the tests of the controller, each file with an API server of its own. */
export async function allSuites(): Promise<readonly Suite[]> {
  const control: string[] = [];
  for await (const file of glob(join(CONTROL, "*.test.ts"))) {
    const isSimulated = (await readFile(file, "utf8")).includes(`"${SIMULATED_RIG}"`);
    if (!isSimulated && !MEMORY_ONLY.has(basename(file))) control.push(file);
  }
  const found: Suite[] = [{ name: "control", files: control.toSorted() }];
  for await (const file of glob(join(SUITES, "*.suite.ts"))) {
    found.push({ name: basename(file, ".suite.ts"), files: [file] });
  }
  return found.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * The suites that somebody names; all when nobody names any.
 * @param isForeign the cluster is not ours: those that need nodes cannot run there
 * @throws RangeError with the suites that there are
 */
export function chooseSuites(
  all: readonly Suite[],
  names: readonly string[],
  isForeign: boolean,
): readonly Suite[] {
  const possible = isForeign ? all.filter(({ name }) => NODELESS.includes(name)) : all;
  if (names.length === 0) return possible;
  return names.map((name) => {
    const suite = possible.find((one) => one.name === name);
    if (suite !== undefined) return suite;
    const there = possible.map((one) => one.name).join(", ");
    if (all.some((one) => one.name === name)) {
      throw new RangeError(
        `suite "${name}" needs a cluster of its own, and KUBECONFIG names another one: unset KUBECONFIG, or use ${there}`,
      );
    }
    throw new RangeError(`no suite "${name}": there are ${there}`);
  });
}

/**
 * Suites in the order in which they run. Each step is one after the other's end; the lists of a step run beside each other,
 * each in its order. Pure.
 */
export function planSuites(suites: readonly Suite[]): readonly (readonly (readonly Suite[])[])[] {
  const waits = suites.filter(({ name }) => name === WAITS);
  const apart = suites.filter(({ name }) => APART.includes(name));
  if (waits.length === 0 || apart.length === 0) return suites.map((suite) => [[suite]]);
  const rest = suites.filter((suite) => !waits.includes(suite) && !apart.includes(suite));
  return [[waits, apart], ...rest.map((suite) => [[suite]])];
}
