import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { promisify } from "node:util";

import { NONROOT_ID } from "./image-config.ts";
import { NODE_PATH, type ImageFile } from "./image-file.ts";

/** Where Debian and those like it keep the certificates of public CAs, in one file. */
const PUBLIC_CAS = "/etc/ssl/certs/ca-certificates.crt";

const PASSWD = `root:x:0:0:root:/:/sbin/nologin\nnonroot:x:${NONROOT_ID}:${NONROOT_ID}:nonroot:/tmp:/sbin/nologin\n`;
const GROUP = `root:x:0:\nnonroot:x:${NONROOT_ID}:\n`;

/**
 * What lies below the product: Node, the libraries that it loads, the certificates of public CAs, names of users, how
 * names of hosts are looked up. No shell, no package manager, no other program.
 * @param node the program that is taken
 * @throws Error when a library or the certificates are not on this machine
 */
export async function systemFiles(node: string): Promise<readonly ImageFile[]> {
  if (!existsSync(PUBLIC_CAS)) {
    throw new Error(`${PUBLIC_CAS} is not there, install the package ca-certificates`);
  }
  const libraries = await sharedLibraries(node);
  return [
    { path: "etc/group", kind: "text", text: GROUP },
    { path: "etc/nsswitch.conf", kind: "text", text: "hosts: files dns\n" },
    { path: "etc/passwd", kind: "text", text: PASSWD },
    { path: PUBLIC_CAS.slice(1), kind: "copy", from: PUBLIC_CAS, mode: 0o644 },
    { path: "tmp", kind: "directory", mode: 0o1777 },
    { path: NODE_PATH, kind: "copy", from: await realpath(node), mode: 0o755 },
    ...libraries.map((path): ImageFile => ({ path: path.slice(1), kind: "copy", from: path, mode: 0o755 })),
  ];
}

/** The libraries that a program loads, after ldd(1), its loader among them. */
async function sharedLibraries(program: string): Promise<readonly string[]> {
  const { stdout } = await promisify(execFile)("ldd", [program]);
  const missing = /^\s*(\S+) => not found/m.exec(stdout)?.[1];
  if (missing !== undefined) throw new Error(`${program} needs ${missing}, which is not on this machine`);
  // "libm.so.6 => /lib/libm.so.6 (0x...)" and "/lib64/ld-linux-x86-64.so.2 (0x...)"
  const found = [...stdout.matchAll(/^\s*(?:\S+ => )?(\/\S+) \(0x/gm)].map(([, path]) => path ?? "");
  if (found.length === 0) throw new Error(`ldd ${program} names no library: ${stdout.trim()}`);
  return found.sort();
}
