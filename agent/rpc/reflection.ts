import { type DescFile, type DescService, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectRouter } from "@connectrpc/connect";
import { ServerReflection } from "../../proto/gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionV1Alpha } from "../../proto/gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { createDescriptorIndex, withImports } from "./descriptor-index.ts";

/** A reflection request of either version: the two differ in nothing but their package. */
interface ReflectionRequest {
  readonly host: string;
  readonly messageRequest:
    | {
        readonly case:
          "fileByFilename" | "fileContainingSymbol" | "allExtensionNumbersOfType" | "listServices";
        readonly value: string;
      }
    | {
        readonly case: "fileContainingExtension";
        readonly value: { readonly containingType: string; readonly extensionNumber: number };
      }
    | { readonly case: undefined; readonly value?: undefined };
}

type MessageResponse =
  | { case: "fileDescriptorResponse"; value: { fileDescriptorProto: Uint8Array[] } }
  | { case: "allExtensionNumbersResponse"; value: { baseTypeName: string; extensionNumber: number[] } }
  | { case: "listServicesResponse"; value: { service: { name: string }[] } }
  | { case: "errorResponse"; value: { errorCode: number; errorMessage: string } };

/**
 * Registers grpc.reflection v1 and v1alpha, so that grpcurl, buf curl and the like need no proto files.
 *
 * @param services what to describe; the two reflection services are added by themselves
 */
export function registerReflection(router: ConnectRouter, services: readonly DescService[]): void {
  const answer = createReflector([...services, ServerReflection, ServerReflectionV1Alpha]);
  router.service(ServerReflection, {
    async *serverReflectionInfo(requests) {
      for await (const request of requests) {
        yield { validHost: request.host, originalRequest: request, messageResponse: answer(request) };
      }
    },
  });
  router.service(ServerReflectionV1Alpha, {
    async *serverReflectionInfo(requests) {
      for await (const request of requests) {
        yield { validHost: request.host, originalRequest: request, messageResponse: answer(request) };
      }
    },
  });
}

/** Makes the function that answers one reflection request. */
export function createReflector(
  services: readonly DescService[],
): (request: ReflectionRequest) => MessageResponse {
  const index = createDescriptorIndex(services.map((service) => service.file));

  return function answer({ messageRequest: asked }) {
    switch (asked.case) {
      case "listServices": {
        const names = services.map((service) => service.typeName).sort();
        return { case: "listServicesResponse", value: { service: names.map((name) => ({ name })) } };
      }
      case "fileByFilename":
        return fileResponse(index.fileByName(asked.value), `file "${asked.value}"`);
      case "fileContainingSymbol":
        return fileResponse(index.fileBySymbol(asked.value), `symbol "${asked.value}"`);
      case "fileContainingExtension": {
        const { containingType, extensionNumber } = asked.value;
        const file = index.fileByExtension(containingType, extensionNumber);
        return fileResponse(file, `extension ${extensionNumber} of "${containingType}"`);
      }
      case "allExtensionNumbersOfType": {
        const numbers = index.extensionNumbers(asked.value);
        if (numbers === undefined) return errorResponse(Code.NotFound, `message "${asked.value}" not found`);
        const value = { baseTypeName: asked.value, extensionNumber: [...numbers] };
        return { case: "allExtensionNumbersResponse", value };
      }
      default:
        return errorResponse(Code.InvalidArgument, "message_request is empty: it must name what to look up");
    }
  };
}

function fileResponse(file: DescFile | undefined, what: string): MessageResponse {
  if (file === undefined) return errorResponse(Code.NotFound, `${what} not found`);
  const fileDescriptorProto = withImports(file).map(({ proto }) =>
    toBinary(FileDescriptorProtoSchema, proto),
  );
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto } };
}

function errorResponse(errorCode: Code, errorMessage: string): MessageResponse {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}
