import process from "node:process";
import type { Platform } from "./blobs.ts";

/** The platform of this machine in the words of OCI (those of Go): x64 is amd64. Throws for machines nobody tried. */
export function hostPlatform(): Platform {
  if (process.arch === "x64") return { os: "linux", architecture: "amd64" };
  if (process.arch === "arm64") return { os: "linux", architecture: "arm64" };
  throw new Error(`no tests for architecture "${process.arch}": use x64 or arm64`);
}
