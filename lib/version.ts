import { readFile } from "node:fs/promises";

/**
 * The version of this release, from package.json.
 * @throws Error when package.json is not beside the sources or names no version
 */
export async function toteVersion(): Promise<string> {
  const file = new URL("../package.json", import.meta.url);
  const contents: unknown = JSON.parse(await readFile(file, "utf8"));
  if (typeof contents !== "object" || contents === null || !("version" in contents)) {
    throw new Error(`${file.pathname} names no version`);
  }
  return String(contents.version);
}
