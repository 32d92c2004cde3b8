import type { DescEnum, DescExtension, DescFile, DescMessage } from "@bufbuild/protobuf";

/** Finds the file that declares a name among some proto files and everything they import. */
export interface DescriptorIndex {
  fileByName(path: string): DescFile | undefined;
  /** @param name fully-qualified: a service, method, message, field, oneof, enum, enum value or extension */
  fileBySymbol(name: string): DescFile | undefined;
  fileByExtension(message: string, number: number): DescFile | undefined;
  /** numbers of the known extensions of a message, ascending; undefined when there is no such message */
  extensionNumbers(message: string): readonly number[] | undefined;
}

/** Builds the index over `files` and their imports, direct or not. */
export function createDescriptorIndex(files: readonly DescFile[]): DescriptorIndex {
  const byName = new Map<string, DescFile>();
  const bySymbol = new Map<string, DescFile>();
  const byExtension = new Map<string, Map<number, DescFile>>();
  const messages = new Set<string>();
  for (const file of files.flatMap(withImports)) {
    if (byName.has(fileName(file))) continue;
    byName.set(fileName(file), file);
    addFile(file);
  }

  function addFile(file: DescFile): void {
    for (const service of file.services) {
      bySymbol.set(service.typeName, file);
      for (const method of service.methods) bySymbol.set(`${service.typeName}.${method.name}`, file);
    }
    for (const message of file.messages) addMessage(message, file);
    for (const enumeration of file.enums) addEnum(enumeration, file);
    for (const extension of file.extensions) addExtension(extension, file);
  }

  function addMessage(message: DescMessage, file: DescFile): void {
    messages.add(message.typeName);
    bySymbol.set(message.typeName, file);
    for (const field of message.fields) bySymbol.set(`${message.typeName}.${field.name}`, file);
    for (const oneof of message.oneofs) bySymbol.set(`${message.typeName}.${oneof.name}`, file);
    for (const nested of message.nestedMessages) addMessage(nested, file);
    for (const nested of message.nestedEnums) addEnum(nested, file);
    for (const nested of message.nestedExtensions) addExtension(nested, file);
  }

  function addEnum(enumeration: DescEnum, file: DescFile): void {
    bySymbol.set(enumeration.typeName, file);
    // A value is named as a sibling of its enum, not as a part of it.
    const scope = enumeration.typeName.slice(0, -enumeration.name.length);
    for (const value of enumeration.values) bySymbol.set(scope + value.name, file);
  }

  function addExtension(extension: DescExtension, file: DescFile): void {
    bySymbol.set(extension.typeName, file);
    const extended = extension.extendee.typeName;
    const numbers = byExtension.get(extended) ?? new Map<number, DescFile>();
    byExtension.set(extended, numbers.set(extension.number, file));
  }

  return {
    fileByName: (path) => byName.get(path),
    fileBySymbol: (name) => bySymbol.get(name),
    fileByExtension: (message, number) => byExtension.get(message)?.get(number),
    extensionNumbers(message) {
      if (!messages.has(message)) return undefined;
      return [...(byExtension.get(message)?.keys() ?? [])].sort((a, b) => a - b);
    },
  };
}

/** A file and everything it imports, directly or not, each once and the file itself first. */
export function withImports(file: DescFile): readonly DescFile[] {
  const found = new Set<DescFile>([file]);
  // A set yields what is added to it while it is walked.
  for (const current of found) for (const dependency of current.dependencies) found.add(dependency);
  return [...found];
}

/** The path of a file as protoc knows it, e.g. "google/protobuf/any.proto". */
export function fileName(file: DescFile): string {
  return file.proto.name;
}
