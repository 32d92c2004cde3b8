import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Settings of the machine's kernel, by their path below /proc/sys. */
export type KernelSettings = Readonly<Record<string, string>>;

/** what a kubelet sets when it starts (setupKernelTunables in pkg/kubelet/cm), for the whole machine */
const NAMES = [
  "vm/overcommit_memory",
  "vm/panic_on_oom",
  "kernel/panic",
  "kernel/panic_on_oops",
  "kernel/keys/root_maxkeys",
  "kernel/keys/root_maxbytes",
] as const;
const FOLDER = "/proc/sys";

/** Reads what a kubelet will change. */
export function readKernelSettings(folder = FOLDER): KernelSettings {
  const there = NAMES.filter((name) => existsSync(join(folder, name)));
  return Object.fromEntries(there.map((name) => [name, read(folder, name)]));
}

/** Puts back what has changed since. */
export function restoreKernelSettings(settings: KernelSettings, folder = FOLDER): void {
  for (const [name, value] of Object.entries(settings)) {
    if (read(folder, name) !== value) writeFileSync(join(folder, name), `${value}\n`);
  }
}

function read(folder: string, name: string): string {
  return readFileSync(join(folder, name), "utf8").trim();
}
