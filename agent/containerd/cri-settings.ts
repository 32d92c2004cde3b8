/** Reading the CRI plugin's settings out of what containerd tells of them. */
import type { CriSettings } from "./cri-types.ts";
import type { PluginInfo } from "./types.ts";

/** The parts of CRI's configuration that matter here, as `config` in the info of CRI's verbose status. */
interface CriConfig {
  readonly containerd?: {
    /** 1.x only: 2.x keeps it with the image plugin, which does not show its configuration */
    readonly snapshotter?: string;
    readonly discardUnpackedLayers?: boolean;
    readonly defaultRuntimeName?: string;
    /** from 1.7 on a runtime may have a snapshotter of its own */
    readonly runtimes?: Readonly<Record<string, { readonly snapshotter?: string } | undefined>> | null;
  };
}

/** containerd's own default. */
const DEFAULT_SNAPSHOTTER = "overlayfs";
const SNAPSHOTTER_PLUGIN = "io.containerd.snapshotter.v1";

/**
 * The settings, from the JSON of CRI's configuration (containerd pkg/cri/config/config.go of 1.6 and 1.7,
 * internal/cri/config/config.go of 2.x); the second half only says where a snapshotter's name can be found when that
 * JSON has none.
 *
 * @param mountpoint of the image filesystem: `<root>/io.containerd.snapshotter.v1.<name>`, unless that snapshotter has a
 *   root of its own
 * @param plugins containerd's, for the snapshotter whose root that is
 */
export function readCriSettings(
  config: string | undefined,
  mountpoint: string | undefined,
  plugins: readonly PluginInfo[],
): CriSettings {
  const { containerd = {} } = parse(config);
  const ofRuntime = containerd.runtimes?.[containerd.defaultRuntimeName ?? ""]?.snapshotter;
  return {
    snapshotter:
      firstOf(ofRuntime, containerd.snapshotter, snapshotterAt(mountpoint, plugins)) ?? DEFAULT_SNAPSHOTTER,
    discardUnpackedLayers: containerd.discardUnpackedLayers,
  };
}

function parse(config: string | undefined): CriConfig {
  if (config === undefined) return {};
  const value: unknown = JSON.parse(config);
  return typeof value === "object" && value !== null ? value : {};
}

function snapshotterAt(mountpoint: string | undefined, plugins: readonly PluginInfo[]): string | undefined {
  if (mountpoint === undefined || mountpoint === "") return undefined;
  const owner = plugins.find(
    (plugin) => plugin.type === SNAPSHOTTER_PLUGIN && plugin.exports["root"] === mountpoint,
  );
  if (owner !== undefined) return owner.id;
  const [, name] = mountpoint.split(`/${SNAPSHOTTER_PLUGIN}.`);
  return name;
}

function firstOf(...names: readonly (string | undefined)[]): string | undefined {
  return names.find((name) => name !== undefined && name !== "");
}
