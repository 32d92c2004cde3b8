import { randomUUID } from "node:crypto";
import type { ContainerdNode } from "./containerd-node.ts";
import { run } from "./run.ts";
import type { RunOptions } from "./run.ts";

/** An image record. */
export interface ImageRecord {
  readonly name: string;
  readonly mediaType: string;
  readonly digest: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** A blob in the content store. */
export interface ContentRecord {
  readonly digest: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** A lease. */
export interface LeaseRecord {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** A snapshot. */
export interface SnapshotRecord {
  /** chain id of a committed one */
  readonly key: string;
  /** key of the parent, "" for a base */
  readonly parent: string;
  /** "Committed", "Active" or "View" */
  readonly kind: string;
}

/** Options of Ctr.run. */
export interface RunContainerOptions {
  /** default: the node's */
  readonly snapshotter?: string;
  /** instead of the image's command */
  readonly command?: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

/** `ctr --address SOCKET --namespace NAMESPACE`, typed. Every call throws CommandError when ctr fails. */
export interface Ctr {
  /** any ctr command; returns stdout */
  exec(args: readonly string[], options?: RunOptions): Promise<string>;
  images(): Promise<readonly ImageRecord[]>;
  /** `images check`: "complete (4/4)", "incomplete (2/4)" and so on by name */
  checkImages(): Promise<ReadonlyMap<string, string>>;
  /** an archive: a path, or its bytes */
  importImage(archive: string | AsyncIterable<Uint8Array>, args?: readonly string[]): Promise<void>;
  exportImage(path: string, names: readonly string[], args?: readonly string[]): Promise<void>;
  tag(name: string, newName: string): Promise<void>;
  /** removes image records and waits for the garbage collector */
  removeImages(...names: readonly string[]): Promise<void>;
  content(): Promise<readonly ContentRecord[]>;
  /** removes blobs behind containerd's back, references or not */
  removeContent(...digests: readonly string[]): Promise<void>;
  /** default: the node's snapshotter */
  snapshots(snapshotter?: string): Promise<readonly SnapshotRecord[]>;
  leases(): Promise<readonly LeaseRecord[]>;
  /** refs of unfinished writes */
  ingests(): Promise<readonly string[]>;
  /** runs a container of the image to its end and returns its stdout */
  run(name: string, options?: RunContainerOptions): Promise<string>;
  /** makes the garbage collector run now: creates a lease and deletes it synchronously */
  forceGc(): Promise<void>;
}

const runTimeoutMs = 300_000;

/**
 * Flags with which ctr of containerd 2, too, reads and writes archives itself: the transfer service has rules of its own
 * for platforms that are absent.
 */
export function localFlags({ version }: ContainerdNode): readonly string[] {
  return version.startsWith("1.") ? [] : ["--local"];
}

/** ctr for a node; namespace default "k8s.io". */
export function ctr(node: ContainerdNode, namespace = "k8s.io"): Ctr {
  async function exec(args: readonly string[], options: RunOptions = {}): Promise<string> {
    const all = ["--address", node.socket, "--namespace", namespace, ...args];
    return (await run(node.ctr, all, { timeoutMs: runTimeoutMs, ...options })).stdout;
  }

  return {
    exec,
    async images() {
      // REF TYPE DIGEST SIZE PLATFORMS LABELS, the size with a blank inside
      return rows(await exec(["images", "ls"])).map((columns) => ({
        name: columns[0] ?? "",
        mediaType: columns[1] ?? "",
        digest: columns[2] ?? "",
        labels: labels(columns.at(-1)),
      }));
    },
    async checkImages() {
      // REF TYPE DIGEST STATUS SIZE UNPACKED, where STATUS is "complete (4/4)"
      return new Map(
        rows(await exec(["images", "check"])).map((columns) => [
          columns[0] ?? "",
          `${columns[3] ?? ""} ${columns[4] ?? ""}`,
        ]),
      );
    },
    async importImage(archive, args = []) {
      const [file, input] = typeof archive === "string" ? [archive, {}] : ["-", { input: archive }];
      await exec(["images", "import", ...args, file], input);
    },
    async exportImage(path, names, args = []) {
      await exec(["images", "export", ...args, path, ...names]);
    },
    async tag(name, newName) {
      await exec(["images", "tag", name, newName]);
    },
    async removeImages(...names) {
      await exec(["images", "rm", "--sync", ...names]);
    },
    async content() {
      return rows(await exec(["content", "ls"])).map((columns) => ({
        digest: columns[0] ?? "",
        labels: labels(columns.at(-1)),
      }));
    },
    async removeContent(...digests) {
      if (digests.length > 0) await exec(["content", "rm", ...digests]);
    },
    async snapshots(snapshotter = node.snapshotter) {
      return rows(await exec(["snapshots", "--snapshotter", snapshotter, "ls"])).map((columns) => ({
        key: columns[0] ?? "",
        parent: columns.length === 3 ? (columns[1] ?? "") : "",
        kind: columns.at(-1) ?? "",
      }));
    },
    async leases() {
      return rows(await exec(["leases", "ls"])).map((columns) => ({
        id: columns[0] ?? "",
        labels: labels(columns.at(-1)),
      }));
    },
    async ingests() {
      return rows(await exec(["content", "active"])).map((columns) => columns[0] ?? "");
    },
    run: (name, options = {}) => exec(runArguments(node, name, options), { signal: options.signal }),
    async forceGc() {
      const id = `gc-${randomUUID()}`;
      await exec(["leases", "create", "--id", id]);
      await exec(["leases", "delete", "--sync", id]);
    },
  };
}

function runArguments(node: ContainerdNode, name: string, options: RunContainerOptions): readonly string[] {
  const { snapshotter = node.snapshotter, command = [] } = options;
  const id = `test-${randomUUID().slice(0, 8)}`;
  const flags = ["--rm", "--runc-root", node.runcRoot, "--snapshotter", snapshotter];
  return ["run", ...flags, name, id, ...command];
}

/** The rows below the heading of a table, split at blanks. */
function rows(table: string): readonly (readonly string[])[] {
  return table
    .split("\n")
    .slice(1)
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .map((line) => line.split(/\s+/));
}

/** "a=b,c=d", or "-" for none; values of containerd's labels hold no comma */
function labels(text: string | undefined): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const part of (text ?? "").split(",")) {
    const at = part.indexOf("=");
    if (at > 0) found[part.slice(0, at)] = part.slice(at + 1);
  }
  return found;
}
