import { existsSync, readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";

import { APP_DIRECTORY, type ImageFile } from "./image-file.ts";

/** Kinds of files that run. */
const CODE = new Set([".js", ".mjs", ".cjs", ".json", ".node", ".wasm"]);
/** Files that the licences of their authors ask for. */
const LEGAL = /^(?:licen[cs]e|copying|notice)/i;
/** Folders of packages that no program loads. */
const SUPERFLUOUS = new Set([
  ".bin",
  ".github",
  "__tests__",
  "benchmark",
  "benchmarks",
  "doc",
  "docs",
  "example",
  "examples",
  "test",
  "tests",
]);

/**
 * The packages that the product needs at run time, after package-lock.json, without documentation, maps, types and
 * tests. A package that is not installed here (an optional one of another platform) is left out.
 * @throws Error when package-lock.json is none of npm 7 or newer, or a package that must be there is not
 */
export async function moduleFiles(root: string): Promise<readonly ImageFile[]> {
  const files: ImageFile[] = [];
  for (const [path, isOptional] of productionPackages(join(root, "package-lock.json"))) {
    if (!existsSync(join(root, path))) {
      if (isOptional) continue;
      throw new Error(`${path} is not installed in ${root}, run npm ci`);
    }
    for await (const file of packageFiles(root, path)) files.push(file);
  }
  return files;
}

/** Whether a file of a package goes into the image. */
export function isNeeded(path: string): boolean {
  const name = basename(path);
  // declarations of types are .d.ts, .d.mts and .d.cts
  return LEGAL.test(name) || CODE.has(extname(name));
}

function productionPackages(lockFile: string): readonly (readonly [path: string, isOptional: boolean])[] {
  const lock: unknown = JSON.parse(readFileSync(lockFile, "utf8"));
  const packages = isRecord(lock) ? lock["packages"] : undefined;
  if (!isRecord(packages)) throw new Error(`${lockFile} has no "packages", write it with npm 7 or newer`);
  return Object.entries(packages)
    .filter(([path, entry]) => path !== "" && isRecord(entry) && entry["dev"] !== true)
    .filter(([path]) => !path.includes("node_modules/@types/"))
    .map(([path, entry]) => [
      path,
      isRecord(entry) && (entry["optional"] === true || entry["devOptional"] === true),
    ]);
}

async function* packageFiles(root: string, folder: string): AsyncGenerator<ImageFile> {
  const entries = await readdir(join(root, folder), { withFileTypes: true });
  for (const entry of entries.sort((one, other) => (one.name < other.name ? -1 : 1))) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      // packages inside of packages have their own entry; a folder of code may be called "test" only at the top
      const isTop =
        basename(dirname(folder)) === "node_modules" || dirname(folder).includes("node_modules/@");
      if (entry.name === "node_modules" || (isTop && SUPERFLUOUS.has(entry.name))) continue;
      yield* packageFiles(root, path);
    } else if (entry.isFile() && isNeeded(path)) {
      yield { path: `${APP_DIRECTORY}/${path}`, kind: "copy", from: join(root, path), mode: 0o644 };
    }
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
