import {
  create,
  fromBinary,
  toBinary,
  type DescMessage,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import type { DescMethod } from "@bufbuild/protobuf";
import grpc from "@grpc/grpc-js";

import { ROLES } from "../../lib/roles.ts";
import type { TlsMaterial } from "../../lib/tls.ts";
import type { AgentProcess } from "../harness/agent-process.ts";

/** A method with the types of its messages. */
export interface Method<I extends DescMessage, O extends DescMessage> extends DescMethod {
  readonly input: I;
  readonly output: O;
}

/** Calls an agent with Google's own gRPC library for Node, as programs of others would. */
export class GrpcClient {
  readonly #client: grpc.Client;

  constructor(agent: Pick<AgentProcess, "ip" | "port">, { ca, key, cert }: TlsMaterial) {
    const credentials = grpc.credentials.createSsl(Buffer.from(ca), Buffer.from(key), Buffer.from(cert));
    this.#client = new grpc.Client(`${agent.ip}:${agent.port}`, credentials, {
      "grpc.ssl_target_name_override": ROLES.agent,
    });
  }

  /** Makes a unary call; rejects with grpc-js's ServiceError. */
  unary<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>,
    request: MessageInitShape<I>,
  ): Promise<MessageShape<O>> {
    const { promise, resolve, reject } = Promise.withResolvers<MessageShape<O>>();
    this.#client.makeUnaryRequest(
      pathOf(method),
      (message: MessageShape<I>) => Buffer.from(toBinary(method.input, message)),
      (bytes: Buffer) => fromBinary(method.output, bytes),
      create(method.input, request),
      (error, answer) => {
        if (error !== null) reject(error);
        else if (answer !== undefined) resolve(answer);
      },
    );
    return promise;
  }

  /** Makes a server streaming call. Leaving the loop cancels it. */
  async *stream<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>,
    request: MessageInitShape<I>,
  ): AsyncGenerator<MessageShape<O>, void, undefined> {
    const call = this.#client.makeServerStreamRequest(
      pathOf(method),
      (message: MessageShape<I>) => Buffer.from(toBinary(method.input, message)),
      (bytes: Buffer) => fromBinary(method.output, bytes),
      create(method.input, request),
    );
    try {
      yield* call;
    } finally {
      call.cancel();
    }
  }

  close(): void {
    this.#client.close();
  }
}

function pathOf({ parent, name }: DescMethod): string {
  return `/${parent.typeName}/${name}`;
}
