/** One instruction of a Dockerfile. */
export interface Instruction {
  /** upper case, e.g. "COPY" */
  readonly name: string;
  /** its arguments on one line */
  readonly text: string;
}

/** The instructions of each stage, first stage first; comments and continued lines are taken care of. */
export function parseDockerfile(text: string): readonly (readonly Instruction[])[] {
  const lines = text
    .replaceAll(/^#.*\n/gm, "")
    .replaceAll(/\\\n\s*/g, "")
    .split("\n")
    .filter((line) => line.trim() !== "");
  const stages: Instruction[][] = [];
  for (const line of lines) {
    const [, name = "", rest = ""] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    if (name === "") throw new Error(`no instruction of a Dockerfile: ${line}`);
    if (name === "FROM") stages.push([]);
    stages.at(-1)?.push({ name, text: rest });
  }
  return stages;
}

/** What the instructions of one name say: "name=value" pairs, quoted or not. */
export function pairs(stage: readonly Instruction[], name: string): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const { text } of stage.filter((instruction) => instruction.name === name)) {
    for (const [, key = "", quoted, plain] of text.matchAll(/([\w.]+)=(?:"([^"]*)"|(\S+))/g)) {
      found[key] = quoted ?? plain ?? "";
    }
  }
  return found;
}
