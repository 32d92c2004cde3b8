/** `npm run image`: writes the container image as an OCI archive, without Docker. */

import { mkdir } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

import { defineFlags, parseFlags } from "../../lib/flags.ts";
import { formatHelp } from "../../lib/flag-help.ts";
import { onShutdownSignal } from "../../lib/shutdown.ts";
import { releaseVersion } from "./app-files.ts";
import { writeImageArchive } from "./archive.ts";
import { imageLayers } from "./image-layers.ts";

const FLAGS = defineFlags({
  output: { kind: "path", default: "dist/tote-image.tar", help: "the archive" },
  name: { kind: "string", default: "docker.io/library/tote", help: "name of the image, without a tag" },
  tag: { kind: "string", help: "its tag; default: the version in package.json" },
  revision: { kind: "string", help: "label org.opencontainers.image.revision: which sources, e.g. a commit" },
  source: { kind: "string", help: "label org.opencontainers.image.source: URL of the sources" },
});

async function main(argv: readonly string[]): Promise<number> {
  const parsed = parseFlags(FLAGS, argv, {});
  if (parsed.kind === "help") {
    const about = "Writes the image for this machine's platform, to be imported with ctr, docker or podman.";
    process.stdout.write(formatHelp("npm run image -- [flags]", about, FLAGS));
    return 0;
  }
  if (parsed.kind === "error") {
    process.stderr.write(`image: ${parsed.message}\n`);
    return 2;
  }
  const root = resolve(fileURLToPath(new URL("../..", import.meta.url)));
  const version = await releaseVersion(root);
  const { name, tag = version, output, revision, source } = parsed.values;
  const path = resolve(output);
  await mkdir(dirname(path), { recursive: true });
  const { digest, layers } = await writeImageArchive({
    path,
    names: [`${name}:${tag}`],
    version,
    origin: { revision, source },
    layers: await imageLayers({ root, node: process.execPath }),
    signal: onShutdownSignal(),
  });
  const rows = layers.map(
    ({ name: layer, compressed, unpacked }) => `  ${layer}: ${mb(compressed)}, unpacked ${mb(unpacked)}`,
  );
  const total = layers.reduce((sum, { compressed }) => sum + compressed, 0);
  process.stdout.write(`${output}: ${name}:${tag}, ${digest}, ${mb(total)}\n${rows.join("\n")}\n`);
  return 0;
}

function mb(bytes: number): string {
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}

process.exitCode = await main(process.argv.slice(2));
