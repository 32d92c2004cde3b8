import type { Cleanup } from "../cleanup.ts";
import type { Faults } from "./faults.ts";

/** `metadata` of an object that the server holds. */
export interface ServedMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
  readonly [field: string]: unknown;
}

/** An object that the server holds. Never changed, only replaced. */
export interface ServedObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ServedMeta;
  readonly [field: string]: unknown;
}

/** What a test puts: as much of an object as it cares for. */
export interface ObjectInput {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
}

/** A rule as in a Role or ClusterRole (rbac.authorization.k8s.io/v1). */
export interface PolicyRule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
  readonly nonResourceURLs?: readonly string[];
}

/** Somebody who may call the server. */
export interface ApiUser {
  /** e.g. "system:serviceaccount:tote:tote" */
  readonly name: string;
  /** default: random */
  readonly token?: string;
  /** may do everything; default false */
  readonly isAdmin?: boolean;
  /** as bound by a ClusterRoleBinding */
  readonly clusterRules?: readonly PolicyRule[];
  /** as bound by RoleBindings, by namespace */
  readonly rules?: Readonly<Record<string, readonly PolicyRule[]>>;
}

/** Options of createApiServer. */
export interface ApiServerOptions {
  readonly cleanup: Cleanup;
  /** default false: plain HTTP */
  readonly tls?: boolean;
  /** default 127.0.0.1 */
  readonly host?: string;
  /** besides the admin */
  readonly users?: readonly ApiUser[];
  /** CustomResourceDefinitions, as parsed from their YAML */
  readonly crds?: readonly ObjectInput[];
  /** milliseconds between bookmarks of a watch, default 60000 */
  readonly bookmarkIntervalMs?: number;
  /** changes per resource that watches can go back to, default 100000 */
  readonly historyLimit?: number;
  /** milliseconds since 1970, default Date.now */
  readonly now?: () => number;
}

/** A request as it arrived, and how it was answered. */
export interface RequestRecord {
  /** milliseconds since 1970 */
  readonly time: number;
  readonly user: string;
  /** "get", "list", "watch", "create", "update", "patch", "delete", as RBAC has them; "" for other paths */
  readonly verb: string;
  /** plural, "" for other paths */
  readonly resource: string;
  readonly group: string;
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** parsed body of a write */
  readonly body: unknown;
  /** HTTP status answered, 0 while or when there was none */
  readonly status: number;
}

/** Many objects that cost no memory until somebody writes to them: they are made anew at every look. */
export interface SeedOptions {
  readonly apiVersion: string;
  readonly kind: string;
  readonly count: number;
  /** The key of an object without making it. */
  readonly key: (index: number) => { readonly name: string; readonly namespace?: string };
  /** Makes an object, the same for the same index. Server fields of its metadata are filled in. */
  readonly make: (index: number) => ObjectInput;
}

/** An API server in memory, over real HTTP. */
export interface ApiServer {
  /** "http://127.0.0.1:port" or https; the same after a restart */
  readonly url: string;
  /** of the admin */
  readonly token: string;
  /** PEM of the authority that signed the server's certificate; undefined without TLS */
  readonly ca: string | undefined;
  /** the current resource version */
  readonly resourceVersion: number;
  readonly faults: Faults;
  /** the last 20000, in order of arrival */
  readonly requests: readonly RequestRecord[];
  /** connections that are open */
  readonly connections: number;
  /** TCP connections accepted since the start */
  readonly accepted: number;
  /** watches that are being served */
  readonly watches: number;
  /** A kubeconfig for a user, default the admin. */
  kubeconfig(user?: string): string;
  /** The same in a file, which is removed with the cleanup. */
  kubeconfigPath(user?: string): string;
  addUser(user: ApiUser): string;
  /** Puts an object as it is, status and all, past authorisation and validation; makes its namespace. */
  put(object: ObjectInput): ServedObject;
  /** @param resource plural, with ".group" where plurals are not unique; `key` "namespace/name" or "name" */
  get(resource: string, key: string): ServedObject | undefined;
  list(resource: string, namespace?: string): readonly ServedObject[];
  /** Removes an object at once, finalizers or not. */
  delete(resource: string, key: string): boolean;
  /** Adds objects by the ten thousand. Watches that run already do not hear of them. */
  seed(options: SeedOptions): void;
  /** Forgets all history: watches and continue tokens from before get 410. */
  compact(): void;
  /**
   * Ends every connection and comes back on the same port.
   * @param options.history "lost": as a real one, which keeps none over a restart (default "kept")
   * @param options.downMs default 0
   */
  restart(options?: { readonly history?: "kept" | "lost"; readonly downMs?: number }): Promise<void>;
  /** Goes back in time, as after etcd was restored: objects, and the resource version counter. */
  snapshot(): () => void;
  close(): Promise<void>;
}
