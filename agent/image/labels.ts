/** Labels that containerd's garbage collector and CRI read (containerd docs/garbage-collection.md, images/mediatypes.go). */

import type { Labels, LeaseResource } from "../containerd/types.ts";
import type { ImageTree, IndexNode } from "./tree.ts";

/** Labels of an index: it refers to the child taken. */
export function indexLabels(index: IndexNode): Record<string, string> {
  const child = index.entries[index.taken];
  return child === undefined ? {} : { [`containerd.io/gc.ref.content.m.${index.taken}`]: child.digest };
}

/** Labels of the manifest: it refers to config and layers; to no layers where they may go once they are unpacked. */
export function manifestLabels(tree: ImageTree, letsLayersGo: boolean): Record<string, string> {
  const labels: Record<string, string> = { "containerd.io/gc.ref.content.config": tree.config.digest };
  if (letsLayersGo) return labels;
  for (const [at, layer] of tree.layers.entries())
    labels[`containerd.io/gc.ref.content.l.${at}`] = layer.digest;
  return labels;
}

/** Labels of the config: it refers to the unpacked root filesystem. */
export function configLabels(tree: ImageTree, snapshotter: string): Record<string, string> {
  const top = tree.layers.at(-1);
  return top === undefined ? {} : { [`containerd.io/gc.ref.snapshot.${snapshotter}`]: top.chainId };
}

/** Labels of a layer that has been unpacked and whose diff ID was right. */
export function layerLabels(diffId: string): Record<string, string> {
  return { "containerd.io/uncompressed": diffId };
}

/** What a blob with these labels keeps from garbage collection, named as in a lease. */
export function referredTo(labels: Labels): readonly LeaseResource[] {
  return Object.entries(labels).flatMap(([label, id]) => {
    if (/^containerd\.io\/gc\.ref\.content(?:[./]|$)/.test(label)) return [{ id, type: "content" }];
    const snapshotter = /^containerd\.io\/gc\.ref\.snapshot\.([^/]+)/.exec(label)?.[1];
    return snapshotter === undefined ? [] : [{ id, type: `snapshots/${snapshotter}` }];
  });
}

/** Labels of an image record that CRI shows to the kubelet. */
export const IMAGE_LABELS: Readonly<Record<string, string>> = { "io.cri-containerd.image": "managed" };

/** Label of an image that CRI keeps from the kubelet's garbage collection. */
export const PINNED_LABEL = "io.cri-containerd.pinned";
