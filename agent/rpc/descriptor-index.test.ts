import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { create, createFileRegistry, type DescFile } from "@bufbuild/protobuf";
import {
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FileDescriptorProtoSchema,
  file_google_protobuf_api,
  file_google_protobuf_descriptor,
} from "@bufbuild/protobuf/wkt";

import { createDescriptorIndex, fileName, withImports } from "./descriptor-index.ts";

const option = { type: Type.STRING, label: Label.OPTIONAL, extendee: ".google.protobuf.FileOptions" };

/** A file with one of everything that has a name. */
const file = makeFile();
const index = createDescriptorIndex([file]);

function makeFile(): DescFile {
  const proto = create(FileDescriptorProtoSchema, {
    name: "test/all.proto",
    package: "test",
    syntax: "proto3",
    dependency: ["google/protobuf/descriptor.proto", "google/protobuf/api.proto"],
    messageType: [
      {
        name: "Outer",
        field: [
          {
            name: "inner",
            number: 1,
            type: Type.MESSAGE,
            label: Label.OPTIONAL,
            typeName: ".test.Outer.Inner",
            oneofIndex: 0,
          },
          {
            name: "api",
            number: 2,
            type: Type.MESSAGE,
            label: Label.OPTIONAL,
            typeName: ".google.protobuf.Api",
          },
        ],
        oneofDecl: [{ name: "choice" }],
        nestedType: [
          { name: "Inner", enumType: [{ name: "Deep", value: [{ name: "DEEP_ZERO", number: 0 }] }] },
        ],
        extension: [{ ...option, name: "nested_option", number: 50_009 }],
      },
    ],
    enumType: [{ name: "Colour", value: [{ name: "RED", number: 0 }] }],
    extension: [{ ...option, name: "late_option", number: 50_002 }],
    service: [
      { name: "Shop", method: [{ name: "Buy", inputType: ".test.Outer", outputType: ".test.Outer" }] },
    ],
  });
  const imports = [file_google_protobuf_api, file_google_protobuf_descriptor].flatMap(withImports);
  const made = createFileRegistry(proto, (name) => imports.find((each) => fileName(each) === name)).getFile(
    proto.name,
  );
  assert.ok(made !== undefined);
  return made;
}

describe("the descriptor index", () => {
  for (const [kind, name] of [
    ["message", "test.Outer"],
    ["nested message", "test.Outer.Inner"],
    ["field", "test.Outer.inner"],
    ["oneof", "test.Outer.choice"],
    ["enum", "test.Colour"],
    ["enum value, a sibling of its enum", "test.RED"],
    ["enum nested twice", "test.Outer.Inner.Deep"],
    ["its value", "test.Outer.Inner.DEEP_ZERO"],
    ["extension", "test.late_option"],
    ["nested extension", "test.Outer.nested_option"],
    ["service", "test.Shop"],
    ["method", "test.Shop.Buy"],
  ] as const) {
    it(`finds the file of a ${kind}`, () => assert.equal(index.fileBySymbol(name), file));
  }

  it("finds what only an import of an import declares", () => {
    assert.equal(index.fileBySymbol("google.protobuf.Any")?.proto.name, "google/protobuf/any.proto");
    assert.equal(index.fileByName("google/protobuf/source_context.proto")?.proto.package, "google.protobuf");
  });

  it("does not find what is not there, nor an enum value under its enum", () => {
    for (const name of ["", "test", "test.Outer.nothing", "test.Colour.RED", ".test.Outer", "toString"]) {
      assert.equal(index.fileBySymbol(name), undefined, name);
    }
    assert.equal(index.fileByName("all.proto"), undefined);
  });

  it("finds extensions by number and lists them in order", () => {
    assert.equal(index.fileByExtension("google.protobuf.FileOptions", 50_009), file);
    assert.equal(index.fileByExtension("google.protobuf.FileOptions", 1), undefined);
    assert.equal(index.fileByExtension("test.Outer", 50_009), undefined);
    assert.deepEqual(index.extensionNumbers("google.protobuf.FileOptions"), [50_002, 50_009]);
    assert.deepEqual(index.extensionNumbers("test.Outer"), []);
    assert.equal(index.extensionNumbers("test.Nothing"), undefined);
  });

  it("lists a file and all its imports once, itself first", () => {
    const names = withImports(file).map(fileName);
    assert.equal(names[0], "test/all.proto");
    assert.deepEqual(names.slice(1).sort(), [
      "google/protobuf/any.proto",
      "google/protobuf/api.proto",
      "google/protobuf/descriptor.proto",
      "google/protobuf/source_context.proto",
      "google/protobuf/type.proto",
    ]);
  });
});
