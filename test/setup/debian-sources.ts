/** One apt source for binary packages. */
export interface DebianSource {
  readonly uris: readonly string[];
  readonly suites: readonly string[];
  readonly components: readonly string[];
  /** value of Signed-By: key files, or a key itself */
  readonly signedBy: string | undefined;
}

/** Reads a file of sources.list.d: deb822 (".sources") or one line each (".list"). sources.list(5). */
export function parseSources(fileName: string, text: string): readonly DebianSource[] {
  return fileName.endsWith(".sources") ? parseDeb822(text) : parseOneLine(text);
}

function parseDeb822(text: string): readonly DebianSource[] {
  const sources: DebianSource[] = [];
  for (const stanza of text.split(/\n[ \t]*\n/)) {
    const fields = new Map<string, string>();
    let name = "";
    for (const line of stanza.split("\n")) {
      if (line.startsWith("#") || line.trim() === "") continue;
      const match = /^([A-Za-z-]+):[ \t]*(.*)$/.exec(line);
      if (match === null) {
        // a line that begins with a blank goes on with the field above it
        fields.set(name, `${fields.get(name) ?? ""}\n${line.trim()}`);
        continue;
      }
      name = (match[1] ?? "").toLowerCase();
      fields.set(name, (match[2] ?? "").trim());
    }
    if (!words(fields.get("types")).includes("deb") || fields.get("enabled") === "no") continue;
    sources.push({
      uris: words(fields.get("uris")),
      suites: words(fields.get("suites")),
      components: words(fields.get("components")),
      signedBy: fields.get("signed-by"),
    });
  }
  return sources;
}

function parseOneLine(text: string): readonly DebianSource[] {
  const sources: DebianSource[] = [];
  for (const line of text.split("\n")) {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]*)/.exec(line);
    if (match === null) continue;
    const [, options = "", uri = "", suite = "", components] = match;
    sources.push({
      uris: [uri],
      suites: [suite],
      components: words(components),
      signedBy: /(?:^|\s)signed-by=(\S+)/.exec(options)?.[1],
    });
  }
  return sources;
}

/** Finds the source of a release's main archive, e.g. the one whose suites include "bookworm". */
export function mainArchive(sources: readonly DebianSource[], codename: string): DebianSource | undefined {
  return sources.find(({ suites, components }) => suites.includes(codename) && components.includes("main"));
}

/** What apt fetches: binary packages, or sources. */
export type SourceType = "deb" | "deb-src";

/** A .sources file that reads another suite from the mirrors of a source, checked with the same keys. */
export function sourceOfSuite(source: DebianSource, suite: string, type: SourceType = "deb"): string {
  const fields = [
    `Types: ${type}`,
    `URIs: ${source.uris.join(" ")}`,
    `Suites: ${suite}`,
    "Components: main",
    ...(source.signedBy === undefined ? [] : [`Signed-By: ${source.signedBy.replaceAll("\n", "\n ")}`]),
  ];
  return `${fields.join("\n")}\n`;
}

function words(text: string | undefined): readonly string[] {
  return (text ?? "").split(/\s+/).filter((word) => word !== "");
}
