import { readFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

import { ROLES } from "../../lib/roles.ts";
import { startAgent, type AgentProcess } from "../harness/agent-process.ts";
import { createCleanup, type Cleanup } from "../harness/cleanup.ts";
import { harnessConfig } from "../harness/config.ts";
import { startContainerd, type ContainerdNode } from "../harness/containerd-node.ts";
import { ctr, type Ctr } from "../harness/ctr.ts";
import { createNetwork } from "../harness/netns.ts";
import { run, type RunResult } from "../harness/run.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PAGE = join(ROOT, "docs/rpc.md");

/** A node with two agents: one with certificates in a network of its own, one without on loopback. */
export interface InteropNode {
  readonly containerd: ContainerdNode;
  readonly ctr: Ctr;
  readonly secure: AgentProcess;
  readonly insecure: AgentProcess;
}

/** What an example of the page is run with. */
export interface ExampleOptions {
  /** which way in the page describes; it precedes the example, which then has AGENT and agent_curl */
  readonly setup?: Setup;
  /** variables that the page takes for set, e.g. IMAGE */
  readonly env?: Readonly<Record<string, string>>;
  /** standard input */
  readonly input?: string;
  /** arguments of a TypeScript example */
  readonly args?: readonly string[];
  /** certificate to act with instead of the operator's */
  readonly role?: string;
  /** a further option for agent_curl */
  readonly curl?: string;
}

/** The ways in that the page describes. */
export const SETUPS = ["tls", "insecure"] as const;
export type Setup = (typeof SETUPS)[number];

/** Two nodes as docs/rpc.md has them, and its examples, to be run as they stand there. */
export interface InteropRig {
  readonly cleanup: Cleanup;
  /** where pki/, image.tar, layer.blob and order.json are */
  readonly folder: string;
  readonly a: InteropNode;
  readonly b: InteropNode;
  /** Runs an example of the page. Throws CommandError when it fails. */
  example(name: string, options?: ExampleOptions): Promise<RunResult>;
}

/** Starts the nodes; the certificates come from the page's own example. `cleanup.run()` ends everything. */
export async function startInteropRig(): Promise<InteropRig> {
  const cleanup = createCleanup();
  try {
    return await startNodes(cleanup);
  } catch (error) {
    await cleanup.run();
    throw error;
  }
}

/** The examples of docs/rpc.md by name: their language and code. */
export async function readExamples(): Promise<
  ReadonlyMap<string, { readonly language: string; readonly code: string }>
> {
  const found = new Map<string, { language: string; code: string }>();
  const text = await readFile(PAGE, "utf8");
  for (const [, name = "", language = "", code = ""] of text.matchAll(
    /<!-- example: (\S+) -->\s*```(\w+)\n([^]*?)```/g,
  )) {
    if (found.has(name)) throw new Error(`${PAGE} has two examples named ${name}`);
    found.set(name, { language, code });
  }
  return found;
}

async function startNodes(cleanup: Cleanup): Promise<InteropRig> {
  const folder = cleanup.directory();
  const examples = await readExamples();
  const path = [join(ROOT, "node_modules/.bin"), harnessConfig().inherited["PATH"]].join(delimiter);
  const places = new Map([["pki", join(folder, "pki")]]);
  for (const file of ["image.tar", "layer.blob", "order.json"]) places.set(file, join(folder, file));

  function codeOf(name: string): { readonly language: string; readonly code: string } {
    const found = examples.get(name);
    if (found === undefined) throw new Error(`${PAGE} has no example named ${name}`);
    let { code } = found;
    for (const [from, to] of places) code = code.replaceAll(new RegExp(`\\b${from}\\b`, "g"), to);
    return { language: found.language, code };
  }

  async function example(name: string, options: ExampleOptions = {}): Promise<RunResult> {
    const { setup, env = {}, input, args = [], role = ROLES.operator, curl = "" } = options;
    const { language, code } = codeOf(name);
    const way =
      setup === undefined
        ? ""
        : codeOf(`setup-${setup}`)
            .code.replaceAll(ROLES.operator, role)
            .replace("curl --silent", `curl ${curl} --silent`);
    const [command, ...words] =
      language === "ts"
        ? [process.execPath, "--input-type=module-typescript", "--eval", code, "--", "example.ts", ...args]
        : ["bash", "-e", "-o", "pipefail", "-c", way + code];
    return run(command ?? "", words, {
      cwd: ROOT,
      env: { ...env, PATH: path, HOME: folder },
      ...(input !== undefined && { input }),
    });
  }

  await example("certs");
  const network = await createNetwork({ cleanup });
  async function startNode(name: "a" | "b"): Promise<InteropNode> {
    const containerd = await startContainerd({ name, cleanup });
    const tls = { certDir: join(folder, "pki", ROLES.agent) };
    const secure = await startAgent({ cleanup, containerd, network: await network.addNode(name), tls });
    const insecure = await startAgent({ cleanup, containerd });
    return { containerd, ctr: ctr(containerd), secure, insecure };
  }
  const [a, b] = await Promise.all([startNode("a"), startNode("b")]);
  // addresses as the page has them
  places.set("10.0.0.7", a.secure.ip).set("10.0.0.8", b.secure.ip);
  places.set("127.0.0.1:9090", `127.0.0.1:${a.insecure.port}`);
  places.set("127.0.0.1:9091", `127.0.0.1:${b.insecure.port}`);
  return { cleanup, folder, a, b, example };
}
