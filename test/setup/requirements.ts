import { existsSync } from "node:fs";
import { open } from "node:fs/promises";
import { delimiter, join } from "node:path";

/** What needs more than npm: "nodes" are containerds with agents, as the demo has them, "test" is what tests need besides. */
export type SystemPart = "nodes" | "test" | "bench" | "matrix" | "cluster" | "kubernetes";

/** One thing that must be on the machine. */
export interface Requirement {
  readonly part: SystemPart;
  /** what is looked for: a program on PATH, or a path */
  readonly program: string;
  /** the Debian package that has it */
  readonly debianPackage: string;
  /** must not need a dynamic linker, because it goes into images alone */
  readonly static?: boolean;
  /** may be missing where apt has no such package; then this is so */
  readonly skipped?: string;
}

/** What shows the relay's page in tests. */
export const BROWSER: Requirement = {
  part: "test",
  program: "chromium",
  debianPackage: "chromium",
  skipped: "the relay's page is not tested in a browser",
};

/** Everything that tests, demo, bench and cluster use beyond npm; "kubernetes" is for building that. */
export const requirements: readonly Requirement[] = [
  { part: "nodes", program: "containerd", debianPackage: "containerd" },
  { part: "nodes", program: "ctr", debianPackage: "containerd" },
  { part: "nodes", program: "runc", debianPackage: "runc" },
  { part: "nodes", program: "/bin/busybox", debianPackage: "busybox-static", static: true },
  { part: "nodes", program: "ip", debianPackage: "iproute2" },
  { part: "nodes", program: "nsenter", debianPackage: "util-linux" },
  { part: "nodes", program: "mount", debianPackage: "mount" },
  { part: "nodes", program: "curl", debianPackage: "curl" },
  { part: "nodes", program: "zstd", debianPackage: "zstd" },
  BROWSER,
  { part: "test", program: "promtool", debianPackage: "prometheus" },
  { part: "test", program: "unzip", debianPackage: "unzip" },
  { part: "bench", program: "docker-registry", debianPackage: "docker-registry" },
  { part: "matrix", program: "apt-get", debianPackage: "apt" },
  { part: "matrix", program: "dpkg", debianPackage: "dpkg" },
  { part: "cluster", program: "etcd", debianPackage: "etcd-server" },
  { part: "cluster", program: "/usr/lib/cni/bridge", debianPackage: "containernetworking-plugins" },
  { part: "cluster", program: "docker-registry", debianPackage: "docker-registry" },
  { part: "cluster", program: "iptables-restore", debianPackage: "iptables" },
  // what Kubernetes is built with; this package alone puts no "go" on PATH
  { part: "kubernetes", program: "/usr/lib/go-1.19/bin/go", debianPackage: "golang-1.19-go" },
  { part: "kubernetes", program: "dpkg-source", debianPackage: "dpkg-dev" },
  { part: "kubernetes", program: "make", debianPackage: "make" },
  { part: "kubernetes", program: "rsync", debianPackage: "rsync" },
  { part: "kubernetes", program: "jq", debianPackage: "jq" },
];

/** Those requirements of the parts that this machine does not meet; `path` is the value of PATH. */
export async function missingRequirements(
  parts: readonly SystemPart[],
  path: string,
  all: readonly Requirement[] = requirements,
): Promise<readonly Requirement[]> {
  const missing: Requirement[] = [];
  for (const requirement of all) {
    if (!parts.includes(requirement.part)) continue;
    const file = findProgram(requirement.program, path);
    const usable = file !== undefined && (requirement.static !== true || (await isStatic(file)));
    if (!usable) missing.push(requirement);
  }
  return missing;
}

/** Finds a program on a PATH; a program with a slash is looked for as it is. */
export function findProgram(program: string, path: string): string | undefined {
  if (program.includes("/")) return existsSync(program) ? program : undefined;
  return path
    .split(delimiter)
    .filter((directory) => directory !== "")
    .map((directory) => join(directory, program))
    .find((file) => existsSync(file));
}

const programHeaderInterpreter = 3;

/** Says whether an ELF program names no dynamic linker (no PT_INTERP; elf(5), 64 bit little endian). */
export async function isStatic(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { buffer } = await file.read(Buffer.alloc(4096), 0, 4096, 0);
    if (buffer.readUInt32BE(0) !== 0x7f454c46) return false;
    const start = Number(buffer.readBigUInt64LE(0x20));
    const size = buffer.readUInt16LE(0x36);
    const count = buffer.readUInt16LE(0x38);
    for (let index = 0; index < count && start + (index + 1) * size <= buffer.length; index++) {
      if (buffer.readUInt32LE(start + index * size) === programHeaderInterpreter) return false;
    }
    return true;
  } finally {
    await file.close();
  }
}
