import { AGENT_FLAGS, readAgentConfig } from "../../agent/config.ts";
import { ENSURE_FLAGS } from "../../controller/certs/ensure-command.ts";
import { CONTROLLER_FLAGS, readControllerConfig } from "../../controller/config.ts";
import { DOCTOR_FLAGS } from "../../controller/doctor/config.ts";
import { CERTS_FLAGS } from "../../lib/certs-command.ts";
import type { FlagSpecs } from "../../lib/flag-types.ts";
import { main, VERSION_FLAGS } from "../../tote.ts";
import { readRelayConfig, RELAY_FLAGS } from "../../webhook-relay/config.ts";

/** One command of tote. */
export interface Command {
  /** after "tote", e.g. "certs ensure" */
  readonly name: string;
  readonly flags: FlagSpecs;
  /** flags can be given as variables of the environment, too */
  readonly hasTwins: boolean;
  /** the text of `--help` */
  readonly help: () => Promise<string>;
}

type HelpReader = (argv: readonly string[]) => { readonly kind: string; readonly text?: string };

/** Every command, longer names before those that they begin with. */
export const COMMANDS: readonly Command[] = [
  service("controller", CONTROLLER_FLAGS, (argv) => readControllerConfig(argv, {})),
  service("agent", AGENT_FLAGS, (argv) => readAgentConfig(argv, {})),
  service("webhook-relay", RELAY_FLAGS, (argv) => readRelayConfig(argv, {})),
  tool("doctor", DOCTOR_FLAGS),
  tool("certs ensure", ENSURE_FLAGS),
  tool("certs remove", ENSURE_FLAGS),
  tool("certs", CERTS_FLAGS),
  { ...tool("version", VERSION_FLAGS), hasTwins: false },
];

/** A service prints its help itself, and only what it prints can be had without a process of its own. */
function service(name: string, flags: FlagSpecs, read: HelpReader): Command {
  return {
    name,
    flags,
    hasTwins: true,
    async help() {
      const { text } = read(["--help"]);
      if (text === undefined) throw new Error(`tote ${name} --help has no text`);
      return text;
    },
  };
}

function tool(name: string, flags: FlagSpecs): Command {
  return {
    name,
    flags,
    hasTwins: true,
    async help() {
      let out = "";
      const print = (text: string): void => void (out += text);
      const context = { print, printError: print, now: () => 0 };
      const code = await main([...name.split(" "), "--help"], {}, context);
      if (code !== 0) throw new Error(`tote ${name} --help exits with ${code}: ${out}`);
      return out;
    },
  };
}
