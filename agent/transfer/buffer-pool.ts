/**
 * Buffers for the chunks of blobs, used again and again. V8 keeps memory outside its heap until it has marked all of the
 * heap, and marks often to make up for it: with a new buffer for each chunk that is nearly half the CPU of a transfer,
 * and 50 to 100 MiB of memory that nobody uses.
 */
export class BufferPool {
  readonly #minBytes: number;
  readonly #maxBytes: number;
  readonly #keep: number;
  readonly #free: Uint8Array<ArrayBuffer>[] = [];
  /** memory that is out; what never comes back goes with garbage collection */
  readonly #lent = new WeakSet<ArrayBufferLike>();

  /**
   * @param options.minBytes for less a new buffer is cheaper
   * @param options.maxBytes size of each buffer in the pool; more is not taken from it either
   * @param options.keep at most so many buffers stay for later
   */
  constructor(options: { readonly minBytes: number; readonly maxBytes: number; readonly keep: number }) {
    this.#minBytes = options.minBytes;
    this.#maxBytes = options.maxBytes;
    this.#keep = options.keep;
  }

  /** `length` bytes of memory with anything in it, nobody else's until it is given back. */
  take(length: number): Uint8Array<ArrayBuffer> {
    if (length < this.#minBytes || length > this.#maxBytes) return allocate(length);
    const whole = this.#free.pop() ?? allocate(this.#maxBytes);
    this.#lent.add(whole.buffer);
    return whole.subarray(0, length);
  }

  /**
   * Takes memory back by any view of it: nobody may look at it from now on. Memory that is not the pool's, or is back
   * already, is left alone.
   */
  giveBack(view: Uint8Array): void {
    if (!(view.buffer instanceof ArrayBuffer) || !this.#lent.delete(view.buffer)) return;
    if (this.#free.length < this.#keep) this.#free.push(new Uint8Array(view.buffer));
  }
}

function allocate(length: number): Uint8Array<ArrayBuffer> {
  // a plain ArrayBuffer of its own, not a part of Node's pool
  return Buffer.allocUnsafeSlow(length);
}
