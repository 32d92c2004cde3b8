import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, file_google_protobuf_api } from "@bufbuild/protobuf/wkt";
import { Code, createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";

import { ServerReflection } from "../../proto/gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionV1Alpha } from "../../proto/gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { AgentService } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { collect, type FakeAgent, startFakeAgent } from "./fake-agent.ts";
import { createReflector } from "./reflection.ts";

type Question = Parameters<ReturnType<typeof createReflector>>[0]["messageRequest"];

describe("server reflection", () => {
  const answer = createReflector([AgentService]);
  const ask = (messageRequest: Question): ReturnType<typeof answer> => answer({ host: "", messageRequest });

  it("lists services by name", () => {
    assert.deepEqual(ask({ case: "listServices", value: "*" }), {
      case: "listServicesResponse",
      value: { service: [{ name: "tote.agent.v1.AgentService" }] },
    });
  });

  it("sends a file with all it imports, itself first", () => {
    const withImport = createReflector([{ ...AgentService, file: file_google_protobuf_api }]);
    const found = withImport({
      host: "",
      messageRequest: { case: "fileContainingSymbol", value: "google.protobuf.Api" },
    });
    assert.ok(found.case === "fileDescriptorResponse");
    const file = found.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
    assert.equal(file[0]?.name, "google/protobuf/api.proto");
    assert.deepEqual(file.map(({ name }) => name).sort(), [
      "google/protobuf/any.proto",
      "google/protobuf/api.proto",
      "google/protobuf/source_context.proto",
      "google/protobuf/type.proto",
    ]);
    assert.ok(file[0].messageType.some(({ name, field }) => name === "Api" && field.length > 5));
  });

  it("finds the same file by name and by any symbol in it", () => {
    const byName = ask({ case: "fileByFilename", value: "tote/agent/v1/agent.proto" });
    assert.equal(byName.case, "fileDescriptorResponse");
    for (const value of [
      "tote.agent.v1.AgentService",
      "tote.agent.v1.AgentService.GetNode",
      "tote.agent.v1.Blob.present",
    ]) {
      assert.deepEqual(ask({ case: "fileContainingSymbol", value }), byName);
    }
  });

  it("knows messages without extensions", () => {
    assert.deepEqual(ask({ case: "allExtensionNumbersOfType", value: "tote.agent.v1.Blob" }), {
      case: "allExtensionNumbersResponse",
      value: { baseTypeName: "tote.agent.v1.Blob", extensionNumber: [] },
    });
  });

  for (const [question, code, message] of [
    [{ case: "fileByFilename", value: "no.proto" }, Code.NotFound, 'file "no.proto" not found'],
    [{ case: "fileContainingSymbol", value: "no.Such" }, Code.NotFound, 'symbol "no.Such" not found'],
    [{ case: "allExtensionNumbersOfType", value: "no.Such" }, Code.NotFound, 'message "no.Such" not found'],
    [
      {
        case: "fileContainingExtension",
        value: { containingType: "tote.agent.v1.Blob", extensionNumber: 9 },
      },
      Code.NotFound,
      'extension 9 of "tote.agent.v1.Blob" not found',
    ],
    [{ case: undefined }, Code.InvalidArgument, "message_request is empty: it must name what to look up"],
  ] satisfies readonly (readonly [Question, Code, string])[]) {
    it(`answers with an error, not the end of the stream: ${message}`, () => {
      assert.deepEqual(ask(question), {
        case: "errorResponse",
        value: { errorCode: code, errorMessage: message },
      });
    });
  }
});

describe("the reflection services", () => {
  let fake: FakeAgent;
  let sessions: Http2SessionManager;
  before(async () => {
    fake = await startFakeAgent();
    sessions = new Http2SessionManager(fake.url);
  });
  after(async () => {
    sessions.abort();
    await fake.close();
  });

  for (const [version, service] of [
    ["v1", ServerReflection],
    ["v1alpha", ServerReflectionV1Alpha],
  ] as const) {
    it(`answer each request of a stream in order, with the request in the answer (${version})`, async () => {
      const client = createClient(
        service,
        createGrpcTransport({ baseUrl: fake.url, sessionManager: sessions }),
      );
      const answers = await collect(client.serverReflectionInfo(questions()));
      assert.deepEqual(
        answers.map(({ validHost, originalRequest, messageResponse }) => [
          validHost,
          originalRequest?.messageRequest.case,
          messageResponse.case,
        ]),
        [
          ["a", "listServices", "listServicesResponse"],
          ["b", "fileContainingSymbol", "errorResponse"],
          ["c", "fileByFilename", "fileDescriptorResponse"],
        ],
      );
      const [list] = answers;
      assert.ok(list?.messageResponse.case === "listServicesResponse");
      assert.equal(list.messageResponse.value.service.length, 4);
    });
  }

  it("say that they need HTTP/2", async () => {
    const response = await fetch(`${fake.url}/grpc.reflection.v1.ServerReflection/ServerReflectionInfo`, {
      method: "POST",
      headers: { "content-type": "application/connect+proto" },
    });
    assert.equal(response.status, 505);
  });
});

async function* questions() {
  yield { host: "a", messageRequest: { case: "listServices", value: "" } } as const;
  yield { host: "b", messageRequest: { case: "fileContainingSymbol", value: "no.Such" } } as const;
  yield {
    host: "c",
    messageRequest: { case: "fileByFilename", value: "grpc/health/v1/health.proto" },
  } as const;
}
