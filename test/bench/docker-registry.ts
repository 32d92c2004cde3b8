/** Debian's docker-registry (CNCF distribution) as a process. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import type { Cleanup } from "../harness/cleanup.ts";
import type { BuiltImage } from "../harness/image-builder.ts";
import type { NetworkNode } from "../harness/netns.ts";
import { commandLine, startProcess } from "../harness/processes.ts";
import { pushImage } from "../harness/push-image.ts";
import { waitFor } from "../harness/wait.ts";

/** A registry that runs. */
export interface DockerRegistry {
  /** "http://ip:port" */
  readonly url: string;
  readonly pid: number;
  /** its storage */
  readonly dir: string;
  /** Uploads an image under "repository:tag" by the distribution API. */
  push(name: string, image: BuiltImage): Promise<void>;
}

const PORT = 5000;

/** Starts a registry in a network namespace of its own; what it holds is in `dir` and outlives it. */
export async function startDockerRegistry(options: {
  readonly cleanup: Cleanup;
  readonly network: NetworkNode;
  readonly dir: string;
}): Promise<DockerRegistry> {
  const { cleanup, network, dir } = options;
  const url = `http://${network.ip}:${PORT}`;
  await mkdir(dir, { recursive: true });
  const config = join(cleanup.directory(), "registry.yml");
  // as the package's own configuration, but without passwords; JSON is YAML
  const settings = {
    version: "0.1",
    log: { level: "warn", accesslog: { disabled: true } },
    storage: { cache: { blobdescriptor: "inmemory" }, filesystem: { rootdirectory: dir } },
    http: { addr: `${network.ip}:${PORT}` },
  };
  await writeFile(config, JSON.stringify(settings));
  const [command, ...args] = commandLine(network.prefix, "docker-registry", "serve", config);
  const { pid } = startProcess({ name: "docker-registry", command, args, cleanup });
  await waitFor(`${url}/v2/`, async () => (await fetch(`${url}/v2/`)).ok);
  return {
    url,
    pid,
    dir,
    push: async (name, image) => await pushImage(url, name, image),
  };
}
