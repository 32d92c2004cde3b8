/** What a containerd configuration is made from. */
export interface ContainerdSettings {
  /** major version of containerd */
  readonly major: 1 | 2;
  readonly root: string;
  readonly state: string;
  readonly socket: string;
  /** folder for what must not be shared with the machine's own containerd: /opt plugins, CNI */
  readonly scratch: string;
  /** hosts.toml directory */
  readonly configPath: string;
  readonly runcRoot: string;
  readonly snapshotter: string;
  readonly discardUnpackedLayers: boolean;
  readonly contentSharingPolicy: "shared" | "isolated";
  /** largest message that its API takes, in bytes; default containerd's own */
  readonly maxMessageBytes?: number | undefined;
  /** image of pod sandboxes */
  readonly sandboxImage: string;
  /** "linux/amd64" */
  readonly platform: string;
}

type TomlValue = string | number | boolean | readonly string[];
/** table name (dotted and quoted as TOML wants it) to its keys */
type TomlTables = Readonly<Record<string, Readonly<Record<string, TomlValue>>>>;

/**
 * The configuration file: everything below our own directories, no TCP, CRI on.
 * Version 2 for containerd 1.x (docs/cri/config.md of 1.6), version 3 for 2.x (docs/cri/config.md of 2.0).
 */
export function containerdConfig(settings: ContainerdSettings): string {
  const head = {
    version: settings.major === 1 ? 2 : 3,
    root: settings.root,
    state: settings.state,
    // needs aufs, zfs and so on in the kernel; without them containerd only logs errors
    disabled_plugins: ["aufs", "btrfs", "devmapper", "zfs"].map(
      (name) => `io.containerd.snapshotter.v1.${name}`,
    ),
  };
  return toml(head, {
    grpc: {
      address: settings.socket,
      ...(settings.maxMessageBytes !== undefined && { max_recv_message_size: settings.maxMessageBytes }),
    },
    ttrpc: { address: `${settings.socket}.ttrpc` },
    debug: { level: "info" },
    [plugin("metadata.v1.bolt")]: { content_sharing_policy: settings.contentSharingPolicy },
    [plugin("internal.v1.opt")]: { path: `${settings.scratch}/opt` },
    // its socket would be the machine's /var/run/nri/nri.sock
    [plugin("nri.v1.nri")]: { disable: true },
    ...(settings.major === 1 ? criVersion2(settings) : criVersion3(settings)),
  });
}

function criVersion2(settings: ContainerdSettings): TomlTables {
  const cri = plugin("grpc.v1.cri");
  return {
    [cri]: { ...stream, sandbox_image: settings.sandboxImage, restrict_oom_score_adj: true },
    [`${cri}.containerd`]: {
      snapshotter: settings.snapshotter,
      discard_unpacked_layers: settings.discardUnpackedLayers,
    },
    [`${cri}.containerd.runtimes.runc`]: { runtime_type: "io.containerd.runc.v2" },
    [`${cri}.containerd.runtimes.runc.options`]: { Root: settings.runcRoot },
    [`${cri}.cni`]: cni(settings),
    [`${cri}.registry`]: { config_path: settings.configPath },
  };
}

function criVersion3(settings: ContainerdSettings): TomlTables {
  const images = plugin("cri.v1.images");
  const runtime = plugin("cri.v1.runtime");
  return {
    [plugin("grpc.v1.cri")]: stream,
    [images]: {
      snapshotter: settings.snapshotter,
      discard_unpacked_layers: settings.discardUnpackedLayers,
    },
    [`${images}.pinned_images`]: { sandbox: settings.sandboxImage },
    [`${images}.registry`]: { config_path: settings.configPath },
    [runtime]: { restrict_oom_score_adj: true },
    [`${runtime}.cni`]: cni(settings),
    [`${runtime}.containerd.runtimes.runc`]: { runtime_type: "io.containerd.runc.v2" },
    [`${runtime}.containerd.runtimes.runc.options`]: { Root: settings.runcRoot },
    // CRI pulls through the transfer service, which unpacks only to snapshotters listed here
    [`[${plugin("transfer.v1.local")}.unpack_config]`]: {
      platform: settings.platform,
      snapshotter: settings.snapshotter,
      differ: "walking",
    },
  };
}

const stream = { disable_tcp_service: true, stream_server_address: "127.0.0.1", stream_server_port: "0" };

function cni({ scratch }: ContainerdSettings): Readonly<Record<string, TomlValue>> {
  return { bin_dir: `${scratch}/cni/bin`, conf_dir: `${scratch}/cni/conf` };
}

function plugin(id: string): string {
  return `plugins.${JSON.stringify(`io.containerd.${id}`)}`;
}

function toml(head: Readonly<Record<string, TomlValue>>, tables: TomlTables): string {
  const sections = Object.entries(tables).map(([name, keys]) => `[${name}]\n${assignments(keys)}`);
  return [assignments(head), ...sections].join("\n");
}

function assignments(keys: Readonly<Record<string, TomlValue>>): string {
  // JSON's strings, numbers, booleans and arrays of strings are TOML's
  return Object.entries(keys)
    .map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`)
    .join("");
}
