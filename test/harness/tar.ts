/** One entry of a tar archive. */
export interface TarEntry {
  /** relative, "/" between parts; a directory's needs no "/" at the end */
  readonly path: string;
  readonly kind: "file" | "directory" | "symlink";
  /** permission bits, default 0644 for files and 0755 for directories */
  readonly mode?: number;
  /** bytes of the body, 0 for directories and symlinks */
  readonly size: number;
  readonly linkTarget?: string;
  readonly body?: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

const blockSize = 512;
const typeFlags = { file: "0", symlink: "2", directory: "5", pax: "x" } as const;
/** the largest number in 11 octal digits */
const maxUstarSize = 0o77777777777;
/** bytes of a name in a ustar header */
const maxName = 100;
const maxPrefix = 155;

/**
 * Writes a tar archive: ustar headers, pax records only for what does not fit in them; owner 0:0, time 0, so that the
 * same entries give the same bytes. Throws when a body has not the size announced. Format: pax(1), "ustar Interchange Format".
 */
export async function* writeTar(entries: Iterable<TarEntry>): AsyncGenerator<Uint8Array> {
  for (const entry of entries) {
    yield* header(entry);
    let written = 0;
    for await (const piece of entry.body ?? []) {
      written += piece.length;
      yield piece;
    }
    if (written !== entry.size) {
      throw new Error(
        `cannot write tar entry "${entry.path}": body of ${written} bytes, ${entry.size} announced`,
      );
    }
    if (written % blockSize !== 0) yield new Uint8Array(blockSize - (written % blockSize));
  }
  yield new Uint8Array(2 * blockSize);
}

function* header(entry: TarEntry): Generator<Uint8Array> {
  const path = entry.kind === "directory" ? `${entry.path.replace(/\/$/, "")}/` : entry.path;
  const place = splitPath(path);
  const linkTarget = entry.linkTarget ?? "";
  const records: string[] = [];
  if (place === undefined) records.push(paxRecord("path", path));
  if (Buffer.byteLength(linkTarget) > maxName) records.push(paxRecord("linkpath", linkTarget));
  if (entry.size > maxUstarSize) records.push(paxRecord("size", String(entry.size)));
  if (records.length > 0) {
    const body = Buffer.from(records.join(""));
    yield ustar({
      name: "pax",
      prefix: "",
      mode: 0o644,
      size: body.length,
      type: typeFlags.pax,
      linkTarget: "",
    });
    yield body;
    if (body.length % blockSize !== 0) yield new Uint8Array(blockSize - (body.length % blockSize));
  }
  yield ustar({
    name: place?.name ?? "long-name",
    prefix: place?.prefix ?? "",
    mode: entry.mode ?? (entry.kind === "directory" ? 0o755 : 0o644),
    size: entry.size > maxUstarSize ? 0 : entry.size,
    type: typeFlags[entry.kind],
    linkTarget: Buffer.byteLength(linkTarget) > maxName ? "" : linkTarget,
  });
}

/** Splits a path into a ustar name and prefix; undefined when it does not fit. */
function splitPath(path: string): { readonly name: string; readonly prefix: string } | undefined {
  if (Buffer.byteLength(path) <= maxName) return { name: path, prefix: "" };
  // the earliest slash gives the longest name
  for (let slash = path.indexOf("/"); slash > 0; slash = path.indexOf("/", slash + 1)) {
    const prefix = path.slice(0, slash);
    const name = path.slice(slash + 1);
    if (Buffer.byteLength(prefix) > maxPrefix) return undefined;
    if (name !== "" && Buffer.byteLength(name) <= maxName) return { name, prefix };
  }
  return undefined;
}

/** "<length of the whole record> key=value\n" */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = Buffer.byteLength(rest);
  while (String(length).length + Buffer.byteLength(rest) !== length) {
    length = String(length).length + Buffer.byteLength(rest);
  }
  return `${length}${rest}`;
}

function ustar(fields: {
  readonly name: string;
  readonly prefix: string;
  readonly mode: number;
  readonly size: number;
  readonly type: string;
  readonly linkTarget: string;
}): Uint8Array {
  const block = Buffer.alloc(blockSize);
  block.write(fields.name, 0);
  block.write(octal(fields.mode, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(fields.size, 11), 124);
  block.write(octal(0, 11), 136);
  // the checksum counts itself as eight blanks
  block.write(" ".repeat(8), 148);
  block.write(fields.type, 156);
  block.write(fields.linkTarget, 157);
  block.write("ustar\x0000", 257);
  block.write(fields.prefix, 345);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${octal(sum, 6)}\0 `, 148);
  return block;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, "0");
}
