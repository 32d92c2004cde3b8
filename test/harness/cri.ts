import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import { Client, credentials, status } from "@grpc/grpc-js";
import type { ServiceError } from "@grpc/grpc-js";

// Independent of the agent's code on purpose: another gRPC library, messages written by hand. Tests compare the two.
// Field numbers: k8s.io/cri-api, pkg/apis/runtime/v1/api.proto.

/** What CRI says of an image. */
export interface CriImage {
  /** digest of the image configuration */
  readonly id: string;
  readonly repoTags: readonly string[];
  readonly repoDigests: readonly string[];
  /** bytes */
  readonly size: number;
  readonly pinned: boolean;
}

/** Credentials for a pull. */
export interface CriAuth {
  readonly username: string;
  readonly password: string;
  readonly serverAddress?: string;
}

/** Options of pullImage. */
export interface PullOptions {
  readonly auth?: CriAuth;
  /** default 120000 */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** The part of a ContainerdNode that is needed here. */
export interface HasSocket {
  readonly socket: string;
}

const queryTimeoutMs = 5000;

/** Pulls as the kubelet does and returns the image id. Throws grpc-js's ServiceError; an aborted signal cancels the pull. */
export async function pullImage(
  node: HasSocket,
  reference: string,
  options: PullOptions = {},
): Promise<string> {
  const { auth, timeoutMs = 120_000, signal } = options;
  const request = new BinaryWriter();
  request.uint32(field(1)).bytes(imageSpec(reference));
  if (auth !== undefined) request.uint32(field(2)).bytes(authConfig(auth));
  const answer = await call(node.socket, "PullImage", request.finish(), timeoutMs, signal);
  let id = "";
  eachField(answer, (number, reader) => {
    if (number === 1) id = reader.string();
    return number === 1;
  });
  return id;
}

/** CRI ImageStatus: what the kubelet asks before it pulls; undefined when absent. */
export async function imageStatus(
  node: HasSocket,
  reference: string,
  signal?: AbortSignal,
): Promise<CriImage | undefined> {
  const request = new BinaryWriter().uint32(field(1)).bytes(imageSpec(reference)).finish();
  const answer = await call(node.socket, "ImageStatus", request, queryTimeoutMs, signal);
  return readImages(answer)[0];
}

/** CRI ListImages: what the kubelet's garbage collection sees. */
export async function listImages(node: HasSocket, signal?: AbortSignal): Promise<readonly CriImage[]> {
  return readImages(await call(node.socket, "ListImages", new Uint8Array(), queryTimeoutMs, signal));
}

/** CRI RemoveImage: takes every name of the image id, as the kubelet's garbage collection does. */
export async function removeImage(node: HasSocket, reference: string, signal?: AbortSignal): Promise<void> {
  const request = new BinaryWriter().uint32(field(1)).bytes(imageSpec(reference)).finish();
  await call(node.socket, "RemoveImage", request, queryTimeoutMs, signal);
}

/** Says whether CRI answers on a socket; throws when containerd answers that it has no CRI. */
export async function criAnswers(socket: string, signal?: AbortSignal): Promise<boolean> {
  try {
    await listImages({ socket }, signal);
    return true;
  } catch (error) {
    if (isServiceError(error) && error.code === status.UNAVAILABLE) return false;
    throw error;
  }
}

function call(
  socket: string,
  method: string,
  request: Uint8Array,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  signal?.throwIfAborted();
  const client = new Client(`unix://${socket}`, credentials.createInsecure());
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const running = client.makeUnaryRequest(
    `/runtime.v1.ImageService/${method}`,
    (bytes: Uint8Array) => Buffer.from(bytes),
    (bytes: Buffer) => new Uint8Array(bytes),
    request,
    { deadline: Date.now() + timeoutMs },
    (error, answer) => (error === null ? resolve(answer ?? new Uint8Array()) : reject(error)),
  );
  const cancel = (): void => running.cancel();
  signal?.addEventListener("abort", cancel, { once: true });
  return promise.finally(() => {
    signal?.removeEventListener("abort", cancel);
    client.close();
  });
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && "details" in error;
}

/** tag of a length-delimited field */
function field(number: number): number {
  return (number << 3) | 2;
}

function imageSpec(reference: string): Uint8Array {
  return new BinaryWriter().uint32(field(1)).string(reference).finish();
}

function authConfig({ username, password, serverAddress }: CriAuth): Uint8Array {
  const writer = new BinaryWriter().uint32(field(1)).string(username).uint32(field(2)).string(password);
  if (serverAddress !== undefined) writer.uint32(field(4)).string(serverAddress);
  return writer.finish();
}

/** Both ImageStatusResponse and ListImagesResponse hold their images in field 1. */
function readImages(bytes: Uint8Array): readonly CriImage[] {
  const images: CriImage[] = [];
  eachField(bytes, (number, reader) => {
    if (number === 1) images.push(readImage(reader.bytes()));
    return number === 1;
  });
  return images;
}

function readImage(bytes: Uint8Array): CriImage {
  const repoTags: string[] = [];
  const repoDigests: string[] = [];
  let id = "";
  let size = 0;
  let pinned = false;
  eachField(bytes, (number, reader) => {
    if (number === 1) id = reader.string();
    else if (number === 2) repoTags.push(reader.string());
    else if (number === 3) repoDigests.push(reader.string());
    else if (number === 4) size = Number(reader.uint64());
    else if (number === 8) pinned = reader.bool();
    else return false;
    return true;
  });
  return { id, repoTags, repoDigests, size, pinned };
}

/** Calls `read` for each field; a field that it does not take (false) is skipped. */
function eachField(bytes: Uint8Array, read: (number: number, reader: BinaryReader) => boolean): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (!read(number, reader)) reader.skip(wireType, number);
  }
}
