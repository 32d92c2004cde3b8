/**
 * Reads answers on an HTTP/1.1 connection (RFC 9112) as their bytes come, and copies none of the body: node:http makes a
 * new buffer for every 16 kB of it, which costs more than everything else that is done with them.
 */

/** What an answer begins with. */
export interface ResponseHead {
  readonly status: number;
  /** by name in lower case; of a name that comes twice the last */
  readonly headers: ReadonlyMap<string, string>;
}

/** Who is told of an answer, part by part. What it throws ends the reading. */
export interface ResponseListener {
  onHead(head: ResponseHead): void;
  /** the next bytes of the body, in memory that is used again on return */
  onBody(bytes: Uint8Array): void;
  /** @param isReusable whether the connection takes another request */
  onEnd(isReusable: boolean): void;
}

/** Largest head or trailer, and largest line between chunks. */
const MAX_TEXT_BYTES = 64 * 1024;
const LINE_FEED = 10;
const NOTHING = new Uint8Array(0);

/** Decodes one answer. */
export class ResponseDecoder {
  readonly #listener: ResponseListener;
  readonly #headers = new Map<string, string>();
  #state: "status" | "headers" | "body" | "chunk" | "after-chunk" | "trailers" | "ended" = "status";
  #status = 0;
  /** of the body, or of the chunk of it that is being read */
  #bytesLeft = 0;
  #isChunked = false;
  /** a line of which the end has not come yet */
  #line = "";
  #textBytes = 0;

  constructor(listener: ResponseListener) {
    this.#listener = listener;
  }

  /** @throws Error when the bytes are no answer; whatever the listener throws */
  decode(bytes: Uint8Array): void {
    let rest = bytes;
    while (rest.length > 0) rest = this.#state === "body" ? this.#readBody(rest) : this.#readLine(rest);
  }

  #readBody(bytes: Uint8Array): Uint8Array {
    if (bytes.length < this.#bytesLeft) {
      this.#bytesLeft -= bytes.length;
      this.#listener.onBody(bytes);
      return NOTHING;
    }
    const last = bytes.subarray(0, this.#bytesLeft);
    this.#bytesLeft = 0;
    this.#listener.onBody(last);
    if (this.#isChunked) this.#state = "after-chunk";
    else this.#end();
    return bytes.subarray(last.length);
  }

  #readLine(bytes: Uint8Array): Uint8Array {
    if (this.#state === "ended") throw new Error("bytes after the end of the answer");
    const end = bytes.indexOf(LINE_FEED);
    const part = end === -1 ? bytes : bytes.subarray(0, end);
    this.#textBytes += part.length;
    if (this.#textBytes > MAX_TEXT_BYTES) throw new Error(`more than ${MAX_TEXT_BYTES} bytes of headers`);
    this.#line += Buffer.from(part.buffer, part.byteOffset, part.length).toString("latin1");
    if (end === -1) return NOTHING;
    const line = this.#line.endsWith("\r") ? this.#line.slice(0, -1) : this.#line;
    this.#line = "";
    this.#takeLine(line);
    return bytes.subarray(end + 1);
  }

  #takeLine(line: string): void {
    switch (this.#state) {
      case "status":
        this.#takeStatus(line);
        return;
      case "headers":
        if (line === "") this.#beginBody();
        else this.#takeHeader(line);
        return;
      case "chunk":
        this.#beginChunk(line);
        return;
      case "after-chunk":
        if (line !== "") throw new Error("a chunk is longer than it said");
        this.#state = "chunk";
        return;
      default:
        if (line === "") this.#end();
    }
  }

  #takeStatus(line: string): void {
    const [, status] = /^HTTP\/1\.1 (\d{3})(?: |$)/.exec(line) ?? [];
    if (status === undefined) throw new Error("not an answer of HTTP/1.1");
    this.#status = Number(status);
    this.#state = "headers";
  }

  #takeHeader(line: string): void {
    const [, name, value] = /^([^\s:]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    if (name === undefined || value === undefined) throw new Error("a header without a name");
    this.#headers.set(name.toLowerCase(), value);
  }

  #beginBody(): void {
    this.#textBytes = 0;
    this.#isChunked = this.#headers.get("transfer-encoding")?.toLowerCase() === "chunked";
    const length = this.#headers.get("content-length") ?? "";
    if (!this.#isChunked && !/^\d{1,15}$/.test(length))
      throw new Error("an answer that does not say how long it is");
    this.#listener.onHead({ status: this.#status, headers: this.#headers });
    if (this.#isChunked) this.#state = "chunk";
    else this.#beginBytes(Number(length));
  }

  #beginChunk(line: string): void {
    const [, size] = /^([0-9a-f]{1,12})[ \t]*(?:;.*)?$/i.exec(line) ?? [];
    if (size === undefined) throw new Error("a chunk without a size");
    this.#textBytes = 0;
    const length = Number.parseInt(size, 16);
    if (length === 0) this.#state = "trailers";
    else this.#beginBytes(length);
  }

  #beginBytes(length: number): void {
    this.#bytesLeft = length;
    if (length > 0) this.#state = "body";
    else this.#end();
  }

  #end(): void {
    this.#state = "ended";
    this.#listener.onEnd(this.#headers.get("connection")?.toLowerCase() !== "close");
  }
}
