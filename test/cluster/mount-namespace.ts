import { existsSync } from "node:fs";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { run } from "../harness/run.ts";
import { unmountBelow } from "../harness/leftovers.ts";
import type { ClusterLayout } from "./layout.ts";

/** One mount inside a namespace, made in order. Mount points must exist. */
export type MountSpec =
  | { readonly kind: "bind"; readonly from: string; readonly to: string; readonly readOnly?: boolean }
  | { readonly kind: "tmpfs"; readonly to: string };

/** A mount namespace that stays although nobody is in it. */
export interface MountNamespace {
  /** put before a command line to run it inside */
  readonly prefix: readonly string[];
}

/**
 * Makes a mount namespace: what is mounted inside is seen nowhere else, and is gone with it. So a node has hosts of its
 * own, and a crashed one leaves no mount on the machine.
 */
export async function createMountNamespace(
  layout: ClusterLayout,
  name: string,
  mounts: readonly MountSpec[],
  signal?: AbortSignal,
): Promise<MountNamespace> {
  const folder = pinFolder(layout);
  const file = join(folder, name);
  await writeFile(file, "");
  await run("unshare", [`--mount=${file}`, "--propagation", "private", "true"], { signal });
  const prefix = ["nsenter", `--mount=${file}`];
  const [enter = "", ...args] = prefix;
  const mount = async (...words: readonly string[]): Promise<void> =>
    void (await run(enter, [...args, "mount", ...words], { signal }));
  // those of others must not live on because a copy was made here
  await run(enter, [...args, "umount", "--all", "--types", "nsfs"], { signal });
  for (const spec of mounts) {
    if (spec.kind === "tmpfs") {
      await mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", spec.to);
      continue;
    }
    await mount("--rbind", spec.from, spec.to);
    if (spec.readOnly === true) await mount("-o", "remount,bind,ro", spec.to);
  }
  return { prefix };
}

/** Removes all namespaces; what still runs in them keeps its own until it ends. */
export async function removeMountNamespaces(layout: ClusterLayout): Promise<void> {
  const folder = pinFolder(layout);
  if (!existsSync(folder)) return;
  unmountBelow(folder);
  for (const name of await readdir(folder)) await rm(join(folder, name), { force: true });
  await rm(folder, { recursive: true, force: true });
}

/**
 * Makes the folder that namespaces are pinned in, before the first of them: that is possible only where mounts do not
 * propagate (unshare(1), "--mount[=file]").
 */
export async function prepareMountNamespaces(layout: ClusterLayout, signal?: AbortSignal): Promise<void> {
  const folder = pinFolder(layout);
  await mkdir(folder, { recursive: true });
  await run("mount", ["--bind", folder, folder], { signal });
  await run("mount", ["--make-private", folder], { signal });
}

function pinFolder(layout: ClusterLayout): string {
  return join(layout.state, "mounts");
}
