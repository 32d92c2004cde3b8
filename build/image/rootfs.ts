/** `node build/image/rootfs.ts DIR`: writes the image's file system into a folder for each layer. The Dockerfile runs it. */

import { chmod, copyFile, mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

import type { ImageFile } from "./image-file.ts";
import { imageLayers, type ImageSources } from "./image-layers.ts";

/** Writes `DIR/<layer>/...` for each layer. The folders of layers must not be there. */
export async function writeRootfs(directory: string, sources: ImageSources): Promise<void> {
  for (const { name, files } of await imageLayers(sources)) {
    const top = join(directory, name);
    await mkdir(directory, { recursive: true });
    await mkdir(top);
    for (const file of files) await write(join(top, file.path), file);
  }
}

async function write(path: string, file: ImageFile): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  switch (file.kind) {
    case "directory":
      await mkdir(path);
      break;
    case "symlink":
      return symlink(file.target, path);
    case "copy":
      await copyFile(file.from, path);
      break;
    case "text":
      await writeFile(path, file.text);
  }
  await chmod(path, file.mode ?? 0o644);
}

if (import.meta.main) {
  const [directory, ...more] = process.argv.slice(2);
  if (directory === undefined || more.length > 0) {
    process.stderr.write("usage: node build/image/rootfs.ts DIR\n");
    process.exitCode = 2;
  } else {
    await writeRootfs(resolve(directory), {
      root: resolve(fileURLToPath(new URL("../..", import.meta.url))),
      node: process.execPath,
    });
  }
}
