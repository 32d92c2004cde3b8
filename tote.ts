#!/usr/bin/env node
import process from "node:process";

import type { DoctorContext } from "./controller/doctor/main.ts";
import { describeError } from "./lib/errors.ts";
import { defineFlags, parseFlags } from "./lib/flags.ts";
import type { Environment } from "./lib/flags.ts";
import { isMainModule } from "./lib/main-module.ts";
import { toteVersion } from "./lib/version.ts";

const HELP = `usage: tote [command] [flags]

Emergency image salvage for Kubernetes: moves images node to node when the registry is gone.

commands:
  controller     watch the cluster and have images moved; the same as no command at all
  agent          run the agent of one node
  webhook-relay  take the controller's events and deliver them to webhooks
  doctor         check what tote needs in a cluster
  certs          make a CA and certificates for every role, in files
  certs ensure   keep them in Secrets of a cluster; certs remove removes those
  version        print the version, with --json as JSON

tote <command> --help lists the flags of a command.
`;

/**
 * Runs the command that the arguments name. Commands are loaded when they are called, so that none pays for another.
 * @param argv arguments after the script
 * @returns the exit code: 0, 1 when the command failed, 2 for a mistake on the command line
 */
export async function main(
  argv: readonly string[],
  env: Environment,
  context: DoctorContext,
): Promise<number> {
  const [command = "", ...rest] = argv;
  switch (command) {
    case "controller":
      return runController(rest, env);
    case "agent": {
      const agent = await import("./agent/main.ts");
      return agent.main(rest, env);
    }
    case "webhook-relay": {
      const relay = await import("./webhook-relay/main.ts");
      return relay.main(rest, env);
    }
    case "doctor": {
      const doctor = await import("./controller/doctor/main.ts");
      return doctor.main(rest, env, context);
    }
    case "certs": {
      const [action, ...flags] = rest;
      if (action === "ensure" || action === "remove") {
        const { runEnsureCommand } = await import("./controller/certs/ensure-command.ts");
        return runEnsureCommand(action, flags, env, context);
      }
      const { runCertsCommand } = await import("./lib/certs-command.ts");
      return runCertsCommand(rest, env, context);
    }
    case "version":
      return printVersion(rest, context);
    case "help":
    case "--help":
    case "-h":
      context.print(HELP);
      return 0;
    default:
      if (command === "" || command.startsWith("-")) return runController(argv, env);
      context.printError(
        `tote: ${JSON.stringify(command)} is not a command, must be controller, agent, webhook-relay, doctor, certs or version, see tote --help\n`,
      );
      return 2;
  }
}

async function runController(argv: readonly string[], env: Environment): Promise<number> {
  const controller = await import("./controller/main.ts");
  return controller.main(argv, env);
}

/** The flags of `tote version`. */
export const VERSION_FLAGS = defineFlags({ json: { kind: "boolean", help: "print JSON" } });

async function printVersion(argv: readonly string[], context: DoctorContext): Promise<number> {
  const parsed = parseFlags(VERSION_FLAGS, argv, {});
  if (parsed.kind === "error") {
    context.printError(`tote version: ${parsed.message}\n`);
    return 2;
  }
  if (parsed.kind === "help") {
    context.print("usage: tote version [--json]\n");
    return 0;
  }
  const version = await toteVersion();
  context.print(parsed.values.json ? `${JSON.stringify({ version })}\n` : `tote ${version}\n`);
  return 0;
}

if (isMainModule(import.meta.url, process.argv[1])) {
  try {
    process.exitCode = await main(process.argv.slice(2), process.env, {
      print: (text) => void process.stdout.write(text),
      printError: (text) => void process.stderr.write(text),
      now: () => Date.now(),
      isTerminal: process.stdout.isTTY,
    });
  } catch (error) {
    process.stderr.write(`tote: ${describeError(error)}\n`);
    process.exitCode = 1;
  }
}
