import { isIP } from "node:net";

import { writeCertificateFiles } from "./certs-files.ts";
import { describeError } from "./errors.ts";
import { formatHelp } from "./flag-help.ts";
import { defineFlags, parseFlags } from "./flags.ts";
import type { Environment } from "./flags.ts";
import { ALL_ROLES } from "./roles.ts";

/** The flags of `tote certs`. */
export const CERTS_FLAGS = defineFlags({
  dir: { kind: "path", required: true, placeholder: "DIR", help: "folder to write to, made when missing" },
  roles: { kind: "list", choices: ALL_ROLES, default: ALL_ROLES, help: "roles to make certificates for" },
  days: { kind: "int", default: 365, min: 1, max: 3650, help: "days that the certificates are valid" },
  ip: {
    kind: "list",
    help: "IP addresses for every certificate; peers are verified by role, so tote needs none",
  },
  force: {
    kind: "boolean",
    help: "replace certificates of roles that exist; the CA in DIR is never replaced",
  },
});

const DESCRIPTION = `Makes a CA and certificates for the parties of tote, for tests and for use without Kubernetes.
Writes DIR/ca.crt, DIR/ca.key and DIR/<role>/{tls.crt,tls.key,ca.crt}. A CA that is in DIR is used again.`;

/** Where a command prints, and the time it goes by. */
export interface CommandContext {
  readonly print: (text: string) => void;
  readonly printError: (text: string) => void;
  /** milliseconds since 1970 */
  readonly now: () => number;
}

/**
 * Runs `tote certs`.
 * @returns the exit code: 0, 1 when the files cannot be made, 2 for a mistake on the command line
 */
export async function runCertsCommand(
  argv: readonly string[],
  env: Environment,
  context: CommandContext,
): Promise<number> {
  const parsed = parseFlags(CERTS_FLAGS, argv, env);
  if (parsed.kind === "help") {
    context.print(formatHelp("tote certs --dir DIR [flags]", DESCRIPTION, CERTS_FLAGS));
    return 0;
  }
  const mistake = parsed.kind === "error" ? parsed.message : findBadAddress(parsed.values.ip);
  if (mistake !== undefined || parsed.kind === "error") {
    context.printError(`tote certs: ${mistake}\n`);
    return 2;
  }
  const { dir, roles, days, ip, force } = parsed.values;
  try {
    const written = await writeCertificateFiles({ dir, roles, days, ips: ip, force, now: context.now() });
    context.print(`${written.files.join("\n")}\n`);
    const authority = written.newAuthority ? "a new CA" : `the CA in ${dir}`;
    context.print(`signed by ${authority}, valid until ${written.validTo.toISOString()}\n`);
    return 0;
  } catch (error) {
    context.printError(`tote certs: ${describeError(error)}\n`);
    return 1;
  }
}

function findBadAddress(ips: readonly string[]): string | undefined {
  const bad = ips.find((ip) => isIP(ip) === 0);
  return bad === undefined ? undefined : `--ip: ${JSON.stringify(bad)} is not an IP address`;
}
