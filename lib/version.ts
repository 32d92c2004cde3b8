import { readFile } from "node:fs/promises";

/** The version of this release, from package.json. */
export async function toteVersion(): Promise<string> {
  const text = await readFile(new URL("../package.json", import.meta.url), "utf8");
  const { version } = JSON.parse(text) as { version: string };
  return version;
}
