/** `npm run cluster -- up|down|status|kubeconfig`: the cluster of the tests, for working by hand. */

import process from "node:process";

import { describeError } from "../../lib/errors.ts";
import { isContainerdVersion } from "../harness/config.ts";
import { ensureSystem } from "../setup/system.ts";
import { downCluster, openCluster, upCluster } from "./cluster.ts";
import { kubernetesBinaries } from "./kubernetes-binaries.ts";
import { readRecord, recordedNames } from "./recorded-process.ts";
import { layoutOf, readState } from "./state.ts";
import type { NodeSpec } from "./worker-node.ts";

const DEFAULT_NODES = ["1.6", "1.7", "1.6"] as const;
const USAGE = `npm run cluster -- COMMAND
  up [VERSION...]  bring a cluster up, one node per version of containerd (default ${DEFAULT_NODES.join(" ")})
  down             take it down, or what is left of it
  status           what runs
  kubeconfig       path of the admin's kubeconfig: export KUBECONFIG=$(npm run --silent cluster -- kubeconfig)
`;

/** Nodes n1, n2 and so on, with these versions of containerd. Throws RangeError for a version that nobody knows. */
export function nodeSpecs(versions: readonly string[] = DEFAULT_NODES): readonly NodeSpec[] {
  return versions.map((containerd, at) => {
    if (!isContainerdVersion(containerd))
      throw new RangeError(`unknown version of containerd: "${containerd}"`);
    return { name: `n${at + 1}`, number: at + 1, containerd };
  });
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function status(): Promise<number> {
  const state = readState();
  if (state === undefined) {
    say("no cluster");
    return 1;
  }
  const layout = layoutOf(state);
  const process_ = state.owner === undefined ? "by hand" : `by process ${state.owner.pid}`;
  say(`${state.phase}, ${process_}, data and logs in ${layout.data}`);
  for (const name of recordedNames(layout)) {
    const record = readRecord(layout, name);
    say(`  ${name}: ${record === undefined ? "has ended" : `process ${record.pid}`}`);
  }
  if (state.phase !== "up") return 1;
  const { kubectl } = await openCluster();
  process.stdout.write((await kubectl(["get", "nodes", "-o", "wide"])).stdout);
  return 0;
}

async function main([command, ...args]: readonly string[]): Promise<number> {
  switch (command) {
    case "up": {
      await ensureSystem(["test", "matrix", "cluster"]);
      const nodes = nodeSpecs(args.length === 0 ? undefined : args);
      const { kubeconfig } = await upCluster({ nodes, say, binaries: await kubernetesBinaries({ say }) });
      say(`up: export KUBECONFIG=${kubeconfig}`);
      return 0;
    }
    case "down":
      await downCluster();
      return 0;
    case "status":
      return await status();
    case "kubeconfig":
      process.stdout.write(`${(await openCluster()).kubeconfig}\n`);
      return 0;
    default:
      process.stderr.write(USAGE);
      return 2;
  }
}

if (import.meta.main) {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    say(describeError(error));
    process.exitCode = 1;
  }
}
