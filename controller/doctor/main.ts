import { existsSync } from "node:fs";

import type { CommandContext } from "../../lib/certs-command.ts";
import { keepAlive, systemClock } from "../../lib/clock.ts";
import { describeError } from "../../lib/errors.ts";
import type { Environment } from "../../lib/flags.ts";
import type { Readiness } from "../../lib/health-server.ts";
import { loadTlsMaterial } from "../../lib/tls.ts";
import { toteVersion } from "../../lib/version.ts";
import { ApiClient } from "../kube/api-client.ts";
import { withDeadline } from "../kube/deadline.ts";
import { loadKubeConnection } from "../kube/kube-config.ts";
import { diagnose, type Diagnosis } from "./check.ts";
import { readDoctorConfig, type DoctorConfig } from "./config.ts";
import { runDoctor } from "./doctor.ts";
import { formatJson, formatText } from "./report.ts";

/** Longest answer of a controller that is read, in characters. */
const ANSWER_MAX_CHARS = 1_000;

/** Where a command prints, and whether that is a terminal. */
export interface DoctorContext extends CommandContext {
  readonly isTerminal?: boolean;
}

/**
 * Runs `tote doctor`.
 * @returns the exit code: 0, 1 when a check fails, 2 for a mistake on the command line
 */
export async function main(
  argv: readonly string[],
  env: Environment,
  context: DoctorContext,
): Promise<number> {
  const parsed = readDoctorConfig(argv, env, existsSync);
  if (parsed.kind === "help") {
    context.print(parsed.text);
    return 0;
  }
  if (parsed.kind === "error") {
    context.printError(`tote doctor: ${parsed.message}\n`);
    return 2;
  }
  const { config } = parsed;
  const letGo = keepAlive();
  try {
    const signal = new AbortController().signal;
    const diagnosis = await withDeadline(systemClock, config.timeoutMs, signal, (inner) =>
      examine(config, inner),
    );
    const isText = config.output === "text" || (config.output === "auto" && context.isTerminal === true);
    context.print(isText ? formatText(diagnosis) : formatJson(diagnosis));
    return diagnosis.ok ? 0 : 1;
  } catch (error) {
    context.printError(`tote doctor: ${describeError(error)}\n`);
    return 1;
  } finally {
    letGo();
  }
}

async function examine(config: DoctorConfig, signal: AbortSignal): Promise<Diagnosis> {
  const clock = systemClock;
  const release = await toteVersion();
  const tls = config.tls === undefined ? undefined : await loadTlsMaterial(config.tls, signal);
  let connection;
  try {
    connection = await loadKubeConnection(config.kube, clock);
  } catch (error) {
    return diagnose([{ name: "kubeconfig", status: "fail", message: describeError(error) }]);
  }
  const { controllerUrl } = config;
  const userAgent = `tote-doctor/${release}`;
  try {
    return await runDoctor(
      {
        ...config,
        api: new ApiClient({ connection, clock, random: () => Math.random(), userAgent }),
        server: connection.server,
        clock,
        release,
        calls: tls === undefined && !config.insecure ? undefined : { tls },
        readiness: controllerUrl === undefined ? undefined : (inner) => askReadiness(controllerUrl, inner),
      },
      signal,
    );
  } finally {
    await connection.close();
  }
}

/** What a controller says at /readyz. */
async function askReadiness(url: string, signal: AbortSignal): Promise<Readiness> {
  try {
    const answer = await fetch(`${url}/readyz`, { signal });
    const text = (await answer.text()).trim().slice(0, ANSWER_MAX_CHARS);
    return { ready: answer.ok, reason: answer.ok ? "" : text.replace(/^not ready: /, "") };
  } catch (error) {
    signal.throwIfAborted();
    return { ready: false, reason: `${url}/readyz gives no answer: ${describeError(error)}` };
  }
}
