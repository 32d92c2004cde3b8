import assert from "node:assert/strict";
import { before, suite, test } from "node:test";

import { fetchKubeTools } from "../setup/fetch-kube-tools.ts";
import { inlineCode, readDocuments } from "./documents.ts";
import { codeBlocks, prose } from "./markdown.ts";
import { shellCommands } from "./shell.ts";
import { flagsOf, ToolHelp } from "./tool-help.ts";

void suite("commands of kubectl and helm in the documentation", () => {
  let tools: Readonly<Record<string, ToolHelp>>;
  before(async () => {
    const { helm, kubectl } = await fetchKubeTools();
    tools = { helm: new ToolHelp(helm), kubectl: new ToolHelp(kubectl, ["options"]) };
  });

  for (const { path, text } of readDocuments()) {
    void test(`${path}: today's tools have what it uses`, async () => {
      const blocks = codeBlocks(text).filter(({ language }) => ["sh", "text", "console"].includes(language));
      const scripts = [...blocks.map(({ code }) => code), ...inlineCode(prose(text))];
      for (const { words } of scripts.flatMap((script) => shellCommands(script))) {
        const [program = "", ...args] = words;
        const mistake = args.length === 0 ? undefined : await tools[program]?.mistake(args);
        assert.equal(mistake, undefined, words.join(" "));
      }
    });
  }

  void test("what they do not have is seen", async () => {
    const mistake = (program: string, line: string): Promise<string | undefined> | undefined =>
      tools[program]?.mistake(line.split(" "));
    assert.equal(await mistake("kubectl", "fetch pods"), 'no command "fetch"');
    assert.equal(await mistake("kubectl", "get pods --namespaces x"), "get: no flag --namespaces");
    assert.equal(
      await mistake("kubectl", "-n x create job --form=cronjob/y z"),
      "create job: no flag --form",
    );
    assert.equal(await mistake("kubectl", "logs x --since"), "logs: --since lacks its value");
    assert.equal(await mistake("helm", "test tote --log"), "test: no flag --log");
    assert.equal(await mistake("helm", "-n x get value tote"), 'no command "get value"');
    assert.equal(await mistake("helm", "upgrade tote charts/tote --reuse-values --set a=b"), undefined);
  });

  void test("flags are read from both kinds of help", () => {
    assert.deepEqual(
      [
        ...flagsOf(
          "    -f, --filename=[]:\n\tFiles\n    --edit=false:\n  -n, --namespace string   scope\n      --wait   wait",
        ),
      ],
      [
        ["--filename", { takesValue: true }],
        ["-f", { takesValue: true }],
        ["--edit", { takesValue: false }],
        ["--namespace", { takesValue: true }],
        ["-n", { takesValue: true }],
        ["--wait", { takesValue: false }],
      ],
    );
  });
});
