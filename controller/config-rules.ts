/** Rules on the controller's flags that are about more than one value. */

import { parseEndpoint, type Endpoint } from "../lib/endpoint.ts";
import { InvalidValueError } from "../lib/errors.ts";
import type { HostPort } from "../lib/flag-types.ts";
import type { AdmissionConfig } from "./webhook/serve-webhook.ts";

/** An agent that was given by hand. */
export interface FixedAgent {
  readonly node: string;
  readonly endpoint: Endpoint;
}

/** Where events are posted. */
export interface Webhook {
  readonly url: string;
  /** undefined: without a token */
  readonly tokenFile: string | undefined;
  /** undefined: the system's */
  readonly caFile: string | undefined;
}

/** Flags of features that are not built, with the value that means that they are off. */
const UNBUILT = {
  backupRegistry: ["--backup-registry", "", "pushing to a backup registry"],
  backupRegistrySecret: ["--backup-registry-secret", "", "pushing to a backup registry"],
  backupRegistryInsecure: ["--backup-registry-insecure", false, "pushing to a backup registry"],
  registryResolve: ["--registry-resolve", false, "asking source registries"],
  registryResolveTimeout: ["--registry-resolve-timeout", 5_000, "asking source registries"],
  registryResolveCa: ["--registry-resolve-ca", "", "asking source registries"],
  registryInsecure: ["--registry-insecure", false, "asking source registries"],
} as const;

const NODE_NAME = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;

/**
 * Refuses flags whose feature is not built: whoever sets one relies on it.
 * @throws InvalidValueError that names the flag and the value
 */
export function refuseUnbuilt(
  values: Readonly<Record<keyof typeof UNBUILT, string | number | boolean>>,
): void {
  for (const [key, [flag, off, feature]] of Object.entries(UNBUILT)) {
    const value = Object.entries(values).find(([name]) => name === key)?.[1];
    if (value !== off) {
      throw new InvalidValueError(
        flag,
        `${JSON.stringify(value)} is not allowed, ${feature} is not built yet: leave the flag out`,
      );
    }
  }
}

/**
 * Reads `--agents node=url,...`.
 * @throws InvalidValueError that names the entry and what is wrong with it
 */
export function readAgents(entries: readonly string[], insecure: boolean): readonly FixedAgent[] {
  const agents = entries.map((entry) => {
    const at = entry.indexOf("=");
    const node = entry.slice(0, Math.max(0, at));
    if (!NODE_NAME.test(node)) {
      throw new InvalidValueError(
        "--agents",
        `${JSON.stringify(entry)} is not allowed, must be NODE=URL with the name of a Kubernetes node`,
      );
    }
    return { node, endpoint: parseEndpoint(entry.slice(at + 1), { insecure }, `--agents ${node}`) };
  });
  const twice = agents.find(({ node }, index) => agents.findIndex((other) => other.node === node) !== index);
  if (twice !== undefined) throw new InvalidValueError("--agents", `node ${twice.node} is there twice`);
  return agents;
}

/**
 * Reads where events go; undefined when they go nowhere.
 * @throws InvalidValueError for a URL that is none, or a token or CA without one
 */
export function readWebhook(values: {
  readonly webhookUrl: string;
  readonly webhookTokenFile: string | undefined;
  readonly webhookCa: string | undefined;
}): Webhook | undefined {
  const { webhookUrl: url, webhookTokenFile: tokenFile, webhookCa: caFile } = values;
  if (url === "") {
    if (tokenFile === undefined && caFile === undefined) return undefined;
    const flag = tokenFile === undefined ? "--webhook-ca" : "--webhook-token-file";
    throw new InvalidValueError(flag, "needs --webhook-url, the relay's URL");
  }
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || (parsed.protocol !== "http:" && parsed.protocol !== "https:")) {
    throw new InvalidValueError(
      "--webhook-url",
      "is not allowed, must be the relay's full URL such as https://tote-relay:8090/v1/events",
    );
  }
  if (parsed.username !== "" || parsed.password !== "") {
    throw new InvalidValueError(
      "--webhook-url",
      "has user information, give a token with --webhook-token-file",
    );
  }
  return { url, tokenFile, caFile };
}

/**
 * Reads where annotations are validated; undefined when they are not.
 * @throws InvalidValueError when a certificate is missing, or there is one without an address
 */
export function readAdmission(values: {
  readonly webhookListen: HostPort | undefined;
  readonly webhookTlsCert: string | undefined;
  readonly webhookTlsKey: string | undefined;
  readonly tlsCa: string | undefined;
}): AdmissionConfig | undefined {
  const { webhookListen: listen, webhookTlsCert: cert, webhookTlsKey: key, tlsCa: ca } = values;
  if (listen === undefined) {
    if (cert === undefined && key === undefined) return undefined;
    throw new InvalidValueError(
      cert === undefined ? "--webhook-tls-key" : "--webhook-tls-cert",
      "needs --webhook-listen, the address that it is for",
    );
  }
  if (cert === undefined || key === undefined || ca === undefined) {
    throw new InvalidValueError(
      "--webhook-listen",
      "needs --webhook-tls-cert, --webhook-tls-key and --tls-ca: the API server calls over TLS only",
    );
  }
  return { listen, tls: { cert, key, ca } };
}
