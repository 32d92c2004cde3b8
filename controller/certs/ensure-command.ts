import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import type { CommandContext } from "../../lib/certs-command.ts";
import { keepAlive, systemClock } from "../../lib/clock.ts";
import { describeError } from "../../lib/errors.ts";
import { formatHelp } from "../../lib/flag-help.ts";
import { defineFlags, parseFlags, type Environment } from "../../lib/flags.ts";
import { onShutdownSignal } from "../../lib/shutdown.ts";
import { toteVersion } from "../../lib/version.ts";
import { ApiClient } from "../kube/api-client.ts";
import { loadKubeConnection, SERVICE_ACCOUNT_DIRECTORY, type KubeConfigSource } from "../kube/kube-config.ts";
import { ensureSecrets, PARTIES, removeSecrets, type Party } from "./ensure.ts";
import { removeLeftovers } from "./remove-leftovers.ts";
import { SecretStore } from "./secret-store.ts";
import { writeWebhookBundle } from "./webhook-bundle.ts";

/** Parties that have a certificate unless told otherwise: people get none. */
const DEFAULT_PARTIES: readonly Party[] = ["controller", "agent", "relay", "webhook"];

/** The flags of `tote certs ensure` and `tote certs remove`. */
export const ENSURE_FLAGS = defineFlags({
  name: { kind: "string", default: "tote", help: "what the release's objects are called after" },
  namespace: { kind: "string", help: "where the Secrets are; default: the pod's own namespace" },
  "agent-namespace": { kind: "string", help: "where the agents' Secret is; default: --namespace" },
  certificates: { kind: "boolean", default: true, help: "false: make the relay's tokens alone" },
  parties: {
    kind: "list",
    choices: PARTIES,
    default: DEFAULT_PARTIES,
    help: "whom to make certificates for",
  },
  days: { kind: "int", default: 90, min: 1, max: 3650, help: "days that their certificates are valid" },
  tokens: { kind: "boolean", default: true, help: "make the tokens of the webhook relay, too" },
  "webhook-configuration": {
    kind: "string",
    default: "",
    help: "ValidatingWebhookConfiguration that gets the CA, when it is there",
  },
  instance: { kind: "string", default: "", help: "value of the label app.kubernetes.io/instance" },
  kubeconfig: { kind: "path", help: "how to reach the API server; default: the pod's service account" },
});

const ABOUT = {
  ensure: `Keeps a CA, certificates for every party and the relay's tokens in Secrets: makes what is missing, renews what
has less than a third of its life left, changes nothing else. Run it as often as you like.`,
  remove: `Removes the Secrets that tote certs ensure has made, the Lease of the controllers, and the pod of helm test. Secrets
that somebody else has made stay.`,
} as const;

/**
 * Runs `tote certs ensure` and `tote certs remove`.
 * @returns the exit code: 0, 1 when it failed, 2 for a mistake on the command line
 */
export async function runEnsureCommand(
  action: "ensure" | "remove",
  argv: readonly string[],
  env: Environment,
  context: CommandContext,
): Promise<number> {
  const parsed = parseFlags(ENSURE_FLAGS, argv, env);
  if (parsed.kind === "help") {
    context.print(formatHelp(`tote certs ${action} [flags]`, ABOUT[action], ENSURE_FLAGS));
    return 0;
  }
  if (parsed.kind === "error") {
    context.printError(`tote certs ${action}: ${parsed.message}\n`);
    return 2;
  }
  const { name, certificates, days, tokens, webhookConfiguration, instance, kubeconfig } = parsed.values;
  const parties = certificates ? parsed.values.parties : [];
  const signal = onShutdownSignal();
  const say = (line: string): void => context.print(`${line}\n`);
  // while it waits for an API server that has no time there is nothing else
  const letGo = keepAlive();
  try {
    const namespace = parsed.values.namespace ?? (await ownNamespace());
    const { agentNamespace = namespace } = parsed.values;
    const connection = await loadKubeConnection(sourceOf(kubeconfig, env), systemClock);
    try {
      const userAgent = `tote-certs/${await toteVersion()}`;
      const api = new ApiClient({ connection, clock: systemClock, random: Math.random, userAgent });
      const labels = instance === "" ? {} : { "app.kubernetes.io/instance": instance };
      const store = new SecretStore({ api, namespace, labels, signal });
      const agentStore = new SecretStore({ api, namespace: agentNamespace, labels, signal });
      if (action === "remove") {
        await removeSecrets({ store, agentStore, name, say });
        await removeLeftovers({ api, namespace, name, signal, say });
        return 0;
      }
      const wanted = { store, agentStore, name, namespace, parties, days, tokens, randomBytes, say };
      const bundle = await ensureSecrets({ ...wanted, now: context.now });
      if (webhookConfiguration !== "" && bundle !== "") {
        const outcome = await writeWebhookBundle(api, webhookConfiguration, bundle, signal);
        say(`CA in ValidatingWebhookConfiguration ${webhookConfiguration}: ${outcome}`);
      }
      return 0;
    } finally {
      await connection.close();
    }
  } catch (error) {
    context.printError(`tote certs ${action}: ${describeError(error)}\n`);
    return 1;
  } finally {
    letGo();
  }
}

async function ownNamespace(): Promise<string> {
  try {
    return (await readFile(join(SERVICE_ACCOUNT_DIRECTORY, "namespace"), "utf8")).trim();
  } catch (error) {
    throw new Error("this is no pod of a cluster: give --namespace and --kubeconfig", { cause: error });
  }
}

function sourceOf(kubeconfig: string | undefined, env: Environment): KubeConfigSource {
  if (kubeconfig !== undefined) return { kind: "file", path: kubeconfig };
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env;
  if (host === undefined || port === undefined) {
    throw new Error("this is no pod of a cluster (KUBERNETES_SERVICE_HOST is not set): give --kubeconfig");
  }
  return { kind: "in-cluster", host, port };
}
