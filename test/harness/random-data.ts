import { createCipheriv, createHash } from "node:crypto";

const pieceSize = 1 << 20;

/** `size` bytes that depend on the seed only and do not compress: an AES-CTR key stream, in pieces of up to 1 MiB. */
export function* randomData(seed: string, size: number): Generator<Uint8Array> {
  const key = createHash("sha256").update(seed).digest().subarray(0, 16);
  const cipher = createCipheriv("aes-128-ctr", key, Buffer.alloc(16));
  const zeros = Buffer.alloc(Math.min(pieceSize, size));
  for (let left = size; left > 0; left -= pieceSize) {
    yield cipher.update(left < pieceSize ? zeros.subarray(0, left) : zeros);
  }
}

/** `size` zero bytes, in pieces of up to 1 MiB. */
export function* zeroData(size: number): Generator<Uint8Array> {
  const zeros = Buffer.alloc(Math.min(pieceSize, size));
  for (let left = size; left > 0; left -= pieceSize) yield left < pieceSize ? zeros.subarray(0, left) : zeros;
}
