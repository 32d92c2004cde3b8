/** From protobuf messages to the agent's plain data, and back. */
import { timestampDate, type Timestamp } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";

import type { Descriptor as DescriptorMessage } from "../../proto/gen/containerd/types/descriptor_pb.ts";
import type { Mount as MountMessage } from "../../proto/gen/containerd/types/mount_pb.ts";
import type { Descriptor, Mount } from "./types.ts";

/** A time, undefined when it is not set. */
export function toDate(timestamp: Timestamp | undefined): Date | undefined {
  return timestamp === undefined ? undefined : timestampDate(timestamp);
}

/** A part of an answer that containerd always sets. */
export function required<T>(part: T | undefined, what: string): T {
  if (part === undefined) throw new ConnectError(`containerd answered without ${what}`, Code.Internal);
  return part;
}

/** A descriptor as containerd sends it. */
export function toDescriptor({ mediaType, digest, size, annotations }: DescriptorMessage): Descriptor {
  const hasAnnotations = Object.keys(annotations).length > 0;
  return { mediaType, digest, size: Number(size), ...(hasAnnotations && { annotations }) };
}

/** A descriptor as containerd takes it. */
export function fromDescriptor({ mediaType, digest, size, annotations = {} }: Descriptor): {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: bigint;
  readonly annotations: Record<string, string>;
} {
  return { mediaType, digest, size: BigInt(size), annotations: { ...annotations } };
}

/** A mount as containerd sends it. */
export function toMount({ type, source, target, options }: MountMessage): Mount {
  return { type, source, target, options };
}

/** A mount as containerd takes it. */
export function fromMount({ type, source, target, options }: Mount): Omit<MountMessage, "$typeName"> {
  return { type, source, target, options: [...options] };
}
