/** The Secrets of a release, as `tote certs ensure` reads and writes them. */

import { isKubeObject } from "../kube/guards.ts";
import { isNotFound } from "../kube/api-error.ts";
import type { KubeApi } from "../kube/kube-api.ts";
import type { KubeObject } from "../kube/objects.ts";
import type { KubeResource } from "../kube/resources.ts";
import { asObject } from "../objects/json.ts";

/** v1 Secret. */
export interface Secret extends KubeObject {
  readonly type?: string;
  /** Base64 by name */
  readonly data?: Readonly<Record<string, string>>;
}

const SECRETS: KubeResource<Secret> = {
  group: "",
  version: "v1",
  kind: "Secret",
  plural: "secrets",
  namespaced: true,
  is: (value): value is Secret => isKubeObject(value),
};

/** Who made a Secret; one that somebody else made is never touched. */
const MANAGER_LABEL = "app.kubernetes.io/managed-by";
const MANAGER = "tote-certs";

/** What is stored under a name. */
export interface StoredSecret {
  readonly secret: Secret;
  /** texts by name */
  readonly data: Readonly<Record<string, string>>;
}

/** What became of a Secret that was to go. */
export type Removal = "removed" | "not there" | "not ours";

/** What the store works with. */
export interface SecretStoreOptions {
  readonly api: KubeApi;
  readonly namespace: string;
  /** put on every Secret besides the manager's */
  readonly labels: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** Reads, writes and removes Secrets of one namespace. */
export class SecretStore {
  readonly #options: SecretStoreOptions;

  constructor(options: SecretStoreOptions) {
    this.#options = options;
  }

  /**
   * The Secret of a name; undefined when there is none.
   * @throws Error when somebody else made it; ApiError
   */
  async read(name: string): Promise<StoredSecret | undefined> {
    const { namespace } = this.#options;
    const secret = await this.#find(name);
    if (secret === undefined) return undefined;
    if (!isOurs(secret)) {
      throw new Error(
        `secret ${namespace}/${name} was not made by tote (no label ${MANAGER_LABEL}: ${MANAGER}): delete it, or name it in tls.secretNames`,
      );
    }
    const data = Object.entries(asObject(secret.data)).map(
      ([key, value]) => [key, Buffer.from(String(value), "base64").toString("utf8")] as const,
    );
    return { secret, data: Object.fromEntries(data) };
  }

  /**
   * Writes a Secret: what was read, with other data, or a new one.
   * @throws ApiError, a conflict when somebody has changed it since
   */
  async write(
    name: string,
    type: string,
    old: StoredSecret | undefined,
    data: Readonly<Record<string, string>>,
  ): Promise<void> {
    const { api, namespace, labels, signal } = this.#options;
    const encoded = Object.fromEntries(
      Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString("base64")] as const),
    );
    if (old !== undefined) {
      await api.replace(SECRETS, { ...old.secret, data: encoded }, { signal });
      return;
    }
    const metadata = { name, namespace, labels: { ...labels, [MANAGER_LABEL]: MANAGER } };
    await api.create(SECRETS, { metadata, type, data: encoded }, { signal });
  }

  /**
   * Removes a Secret that tote has made; one of somebody else's stays, of cert-manager for example.
   * @throws ApiError
   */
  async remove(name: string): Promise<Removal> {
    const { api, namespace, signal } = this.#options;
    const secret = await this.#find(name);
    if (secret === undefined) return "not there";
    if (!isOurs(secret)) return "not ours";
    await absent(api.delete(SECRETS, { name, namespace }, { signal }));
    return "removed";
  }

  #find(name: string): Promise<Secret | undefined> {
    const { api, namespace, signal } = this.#options;
    return absent(api.get(SECRETS, { name, namespace }, { signal }));
  }
}

function isOurs({ metadata }: Secret): boolean {
  return metadata.labels?.[MANAGER_LABEL] === MANAGER;
}

async function absent<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
