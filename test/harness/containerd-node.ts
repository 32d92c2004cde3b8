import type { Cleanup } from "./cleanup.ts";
import type { NetworkNode } from "./netns.ts";

/** containerd release lines the tests know; "1.6" is the one installed by Debian 12. */
export type ContainerdVersion = "1.6" | "1.7" | "2.1";

/** Options of startContainerd. */
export interface ContainerdOptions {
  /** unique within the cleanup's directory; also the directory's name */
  readonly name: string;
  readonly cleanup: Cleanup;
  /** folder for root, state, socket and configuration, removed by stop(); default: cleanup.directory()/name */
  readonly dir?: string;
  /** default: TOTE_TEST_CONTAINERD, else the system's */
  readonly version?: ContainerdVersion;
  /** run the daemon in this network namespace; default: the host's */
  readonly network?: NetworkNode;
  /** CRI drops layer blobs after unpacking; default false */
  readonly discardUnpackedLayers?: boolean;
  /** CRI's snapshotter, default "overlayfs" */
  readonly snapshotter?: "overlayfs" | "native";
  /** may namespaces share blobs without sending them; default "shared" */
  readonly contentSharingPolicy?: "shared" | "isolated";
  /** put containerd's root on a tmpfs of this many bytes, for a disk that is full */
  readonly tmpfsSize?: number;
  /** added to the daemon's environment */
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** A containerd of our own. */
export interface ContainerdNode {
  readonly name: string;
  /** what `containerd --version` says, e.g. "1.6.20" */
  readonly version: string;
  /** path of the gRPC socket */
  readonly socket: string;
  /** containerd's root directory */
  readonly root: string;
  /** where blobs lie: CONTENTDIR/blobs/sha256/HEX */
  readonly contentDir: string;
  /** hosts.toml directory of CRI, read at every pull: see attachRegistry */
  readonly configPath: string;
  readonly snapshotter: string;
  /** path of the ctr that belongs to this daemon */
  readonly ctr: string;
  /** directory for runc's state */
  readonly runcRoot: string;
  /** process id of the daemon that runs now */
  readonly pid: number;
  /** the last lines that the daemon logged */
  logs(): string;
  /** Signals the daemon (not its containers); waits for its end unless the signal is SIGSTOP or SIGCONT. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Ends the daemon if it runs and starts it again on the same state; waits until CRI answers. */
  restart(signal?: AbortSignal): Promise<void>;
  /** Ends daemon, shims and containers, unmounts everything below the folder and removes it. */
  stop(): Promise<void>;
}

/** Starts a containerd and waits until CRI answers. */
export declare function startContainerd(options: ContainerdOptions): Promise<ContainerdNode>;
