import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

import { NODE_OPTION } from "./image-config.ts";
import { APP_DIRECTORY, NODE_PATH, TOTE_PATH, type ImageFile } from "./image-file.ts";

/** What the product consists of. */
const SOURCES = ["agent", "controller", "lib", "proto/gen", "webhook-relay"];

/** The product's sources as they are, and the program on PATH. */
export async function appFiles(root: string): Promise<readonly ImageFile[]> {
  const files: ImageFile[] = [];
  for (const folder of SOURCES) for await (const file of sources(root, folder)) files.push(file);
  return [
    ...files,
    { path: `${APP_DIRECTORY}/LICENSE`, kind: "copy", from: join(root, "LICENSE"), mode: 0o644 },
    { path: `${APP_DIRECTORY}/package.json`, kind: "text", text: await manifest(root) },
    { path: `${APP_DIRECTORY}/tote.ts`, kind: "text", text: await program(root), mode: 0o755 },
    { path: TOTE_PATH, kind: "symlink", target: `/${APP_DIRECTORY}/tote.ts` },
  ];
}

async function* sources(root: string, folder: string): AsyncGenerator<ImageFile> {
  const entries = await readdir(join(root, folder), { withFileTypes: true });
  for (const entry of entries.sort((one, other) => (one.name < other.name ? -1 : 1))) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) {
      if (entry.name !== "testing") yield* sources(root, path);
    } else if (entry.isFile() && !/\.test\.ts$|\.md$/.test(entry.name)) {
      yield { path: `${APP_DIRECTORY}/${path}`, kind: "copy", from: join(root, path), mode: 0o644 };
    }
  }
}

/** The dispatcher, started by the image's own Node: there is neither `env` nor a shell. */
async function program(root: string): Promise<string> {
  const text = await readFile(join(root, "tote.ts"), "utf8");
  const [first = "", ...rest] = text.split("\n");
  if (!first.startsWith("#!"))
    throw new Error(`tote.ts must begin with "#!", found ${JSON.stringify(first)}`);
  return [`#!/${NODE_PATH} ${NODE_OPTION}`, ...rest].join("\n");
}

/** The parts of package.json that Node and `tote version` read. */
async function manifest(root: string): Promise<string> {
  const { name, version, license, type } = await readManifest(root);
  return `${JSON.stringify({ name, version, license, type, private: true }, undefined, 2)}\n`;
}

/**
 * The version of this release.
 * @throws Error when package.json names none
 */
export async function releaseVersion(root: string): Promise<string> {
  const { version } = await readManifest(root);
  if (typeof version !== "string") throw new Error(`${join(root, "package.json")} names no version`);
  return version;
}

async function readManifest(root: string): Promise<Readonly<Record<string, unknown>>> {
  const value: unknown = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  if (typeof value !== "object" || value === null) throw new Error("package.json holds no object");
  return Object.fromEntries(Object.entries(value));
}
