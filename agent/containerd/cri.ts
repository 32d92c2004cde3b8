/** CRI on containerd's socket: what the kubelet would be told. */
import { createClient } from "@connectrpc/connect";

import { ImageService, type Image } from "../../proto/gen/runtime/v1/image_pb.ts";
import { RuntimeService } from "../../proto/gen/runtime/v1/runtime_pb.ts";
import type { CallOptions } from "./call-options.ts";
import type { Connection } from "./connection.ts";
import { readCriSettings } from "./cri-settings.ts";
import type { Cri, CriImage, CriImageFs, CriStatus } from "./cri-types.ts";
import type { PluginInfo } from "./types.ts";

/** No limit to how long a pull takes. */
const NO_TIMEOUT_MS = 0;

/** Makes the CRI of a containerd; `plugins` lists containerd's. */
export function createCri(
  connection: Connection,
  plugins: (filters: readonly string[], options: CallOptions) => Promise<readonly PluginInfo[]>,
): Cri {
  const images = createClient(ImageService, connection.transport);
  const runtime = createClient(RuntimeService, connection.transport);

  async function imageFsInfo(options: CallOptions = {}): Promise<readonly CriImageFs[]> {
    const { imageFilesystems } = await connection.run(options, (call) => images.imageFsInfo({}, call));
    return imageFilesystems.map(({ fsId, usedBytes, inodesUsed }) => ({
      mountpoint: fsId?.mountpoint ?? "",
      usedBytes: Number(usedBytes?.value ?? 0n),
      inodesUsed: Number(inodesUsed?.value ?? 0n),
    }));
  }

  async function status(
    options: CallOptions & { readonly verbose?: boolean | undefined } = {},
  ): Promise<CriStatus> {
    const { verbose = false } = options;
    const answer = await connection.run(options, (call) => runtime.status({ verbose }, call));
    const conditions: Record<string, boolean> = {};
    for (const condition of answer.status?.conditions ?? []) conditions[condition.type] = condition.status;
    return { conditions, info: answer.info };
  }

  return {
    imageFsInfo,
    status,

    async imageStatus(image, options = {}) {
      const answer = await connection.run(options, (call) => images.imageStatus({ image: { image } }, call));
      return answer.image === undefined ? undefined : toCriImage(answer.image);
    },

    async listImages(options = {}) {
      const answer = await connection.run(options, (call) => images.listImages({}, call));
      return answer.images.map(toCriImage);
    },

    async criSettings(options = {}) {
      const [{ info }, [imageFs], snapshotters] = await Promise.all([
        status({ ...options, verbose: true }),
        imageFsInfo(options),
        plugins(["type==io.containerd.snapshotter.v1"], options),
      ]);
      return readCriSettings(info["config"], imageFs?.mountpoint, snapshotters);
    },

    async pullImage(image, options = {}) {
      const request = { image: { image } };
      const { imageRef } = await connection.run(
        options,
        (call) => images.pullImage(request, call),
        NO_TIMEOUT_MS,
      );
      return imageRef;
    },

    async removeImage(image, options = {}) {
      await connection.run(options, (call) => images.removeImage({ image: { image } }, call));
    },
  };
}

function toCriImage({ id, repoTags, repoDigests, size, pinned }: Image): CriImage {
  return { id, repoTags, repoDigests, size: Number(size), pinned };
}
