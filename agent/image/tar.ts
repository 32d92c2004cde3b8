/** Writing tar archives (POSIX.1-1988 ustar): only what an OCI archive needs. */

const BLOCK = 512;
/** Largest size that eleven octal digits hold; larger ones use base-256, which GNU tar and Go read. */
const MAX_OCTAL_SIZE = 0o77777777777;

/** The header block of a regular file. `name` has at most 100 bytes, `size` is in bytes. */
export function tarHeader(name: string, size: number): Uint8Array {
  const block = Buffer.alloc(BLOCK);
  if (Buffer.byteLength(name) > 100) throw new RangeError(`tar entry name is longer than 100 bytes: ${name}`);
  block.write(name, 0);
  block.write("0000644\0", 100);
  block.write("0000000\0", 108);
  block.write("0000000\0", 116);
  if (size <= MAX_OCTAL_SIZE) {
    block.write(`${size.toString(8).padStart(11, "0")}\0`, 124);
  } else {
    block.writeBigUInt64BE(BigInt(size), 128);
    block[124] = 0x80;
  }
  // the epoch: an archive of the same image is the same bytes
  block.write("00000000000\0", 136);
  block.write("        ", 148);
  block.write("0", 156);
  block.write("ustar\x0000", 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

/** The zero bytes after a file of `size` bytes, up to the next block. */
export function tarPadding(size: number): Uint8Array {
  return new Uint8Array((BLOCK - (size % BLOCK)) % BLOCK);
}

/** The end of an archive. */
export function tarEnd(): Uint8Array {
  return new Uint8Array(2 * BLOCK);
}
