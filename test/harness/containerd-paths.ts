import { join } from "node:path";

/** Where the parts of one of our containerd daemons are. */
export interface ContainerdPaths {
  readonly config: string;
  readonly root: string;
  readonly state: string;
  readonly socket: string;
  /** for what must not be shared with the machine's own containerd: /opt plugins, CNI */
  readonly scratch: string;
  /** hosts.toml directory */
  readonly configPath: string;
  readonly runcRoot: string;
}

/** The layout of a containerd's folder; names are short because a socket's path must fit in 107 bytes. */
export function containerdPaths(directory: string): ContainerdPaths {
  return {
    config: join(directory, "config.toml"),
    root: join(directory, "root"),
    state: join(directory, "state"),
    socket: join(directory, "containerd.sock"),
    scratch: join(directory, "scratch"),
    configPath: join(directory, "certs.d"),
    runcRoot: join(directory, "runc"),
  };
}
