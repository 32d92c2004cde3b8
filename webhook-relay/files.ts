import { open } from "node:fs/promises";

import { errorCode } from "../lib/errors.ts";

/** Largest file of secrets or configuration, in bytes. */
const FILE_MAX_BYTES = 1024 * 1024;

/** A file cannot be read. Names the file, never what is in it. */
export class FileError extends Error {
  override readonly name = "FileError";
}

/** Reads a text file. Tests give their own. */
export type ReadText = (path: string, signal: AbortSignal) => Promise<string>;

/**
 * Reads a text file of at most 1 MiB.
 * @throws FileError that names the file and why
 */
export async function readTextFile(path: string, signal: AbortSignal): Promise<string> {
  signal.throwIfAborted();
  try {
    await using file = await open(path, "r");
    const { size } = await file.stat();
    if (size > FILE_MAX_BYTES) {
      throw new FileError(`${path} has ${size} bytes, at most ${FILE_MAX_BYTES} are allowed`);
    }
    return await file.readFile("utf8");
  } catch (error) {
    if (error instanceof FileError) throw error;
    throw new FileError(`cannot read ${path}: ${explain(errorCode(error))}`, { cause: error });
  }
}

function explain(code: string): string {
  switch (code) {
    case "ENOENT":
      return "there is no such file";
    case "EACCES":
      return "permission denied";
    case "EISDIR":
      return "it is a folder";
    default:
      return code === "" ? "it cannot be opened" : code;
  }
}
