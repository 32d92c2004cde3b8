import { mkdirSync, writeFileSync } from "node:fs";
import { randomBytes, randomUUID } from "node:crypto";
import { join } from "node:path";

import { createPki } from "../pki.ts";
import { keyOf, type Entry } from "./collection.ts";
import { customKinds, establishedStatus } from "./custom-kind.ts";
import { FaultList, type Faults } from "./faults.ts";
import { Handler } from "./handler.ts";
import { asJson, asText } from "./json.ts";
import { apiVersionOf, BUILT_IN, type Kind } from "./kinds.ts";
import { Listener } from "./listener.ts";
import { Storage, withMeta } from "./storage.ts";
import type {
  ApiServer,
  ApiServerOptions,
  ApiUser,
  ObjectInput,
  SeedOptions,
  ServedObject,
} from "./types.ts";
import { Watches } from "./watches.ts";
import { rfc3339 } from "./writes.ts";

/** namespaces that every cluster has */
const FIRST_NAMESPACES = ["default", "kube-system", "kube-public", "kube-node-lease"];
const ADMIN = "admin";

/**
 * Starts an API server in memory with the resources that tote uses, over real HTTP: paging, watches with bookmarks,
 * conflicts, subresources, selectors, validation, RBAC, and faults on demand. It ends with the cleanup.
 */
export async function createApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { cleanup, host = "127.0.0.1", now = () => Date.now() } = options;
  const storage = new Storage(options.historyLimit ?? 100_000);
  const kinds: Kind[] = [...BUILT_IN];
  const users = new Map<string, ApiUser & { readonly token: string }>();
  const faultList = new FaultList();
  const watches = new Watches(storage, options.bookmarkIntervalMs ?? 60_000);
  const handler = new Handler({ storage, kinds, users, faults: faultList, watches, now, define });
  const tls = options.tls === true ? await serverTls(host) : undefined;
  const listener = new Listener({
    host,
    tls,
    handle: (request, response) => handler.handle(request, response),
  });

  function addUser(user: ApiUser): string {
    const token = user.token ?? randomBytes(24).toString("hex");
    users.set(token, { ...user, token });
    return token;
  }

  function kindOf(resource: string): Kind {
    const kind = kinds.find(({ plural, group }) => resource === plural || resource === `${plural}.${group}`);
    if (kind === undefined) throw new RangeError(`no resource "${resource}"`);
    return kind;
  }

  function kindOfObject({ apiVersion, kind }: Pick<ObjectInput, "apiVersion" | "kind">): Kind {
    const found = kinds.find((one) => one.kind === kind && apiVersionOf(one) === apiVersion);
    if (found === undefined) throw new RangeError(`no kind ${kind} in ${apiVersion}`);
    return found;
  }

  function put(object: ObjectInput): ServedObject {
    const kind = kindOfObject(object);
    const namespace = asText(object.metadata["namespace"]);
    if (kind.namespaced) ensureNamespace(namespace);
    const old = storage.collection(kind).get(keyOf(object));
    const given = { ...object, ...(kind.kind === "Pod" && { spec: object["spec"] ?? {} }) };
    const normal = kind.isCustom ? given : (kind.normal?.(given) ?? given);
    const stored = storage.put(
      kind,
      withMeta(normal, {
        uid: asText(object.metadata["uid"]) || (old?.metadata.uid ?? randomUUID()),
        creationTimestamp:
          asText(object.metadata["creationTimestamp"]) || (old?.metadata.creationTimestamp ?? rfc3339(now())),
      }),
    );
    if (kind.plural === "customresourcedefinitions") define(stored);
    return stored;
  }

  function define(definition: ServedObject): void {
    for (const made of customKinds(definition)) {
      const at = kinds.findIndex(({ plural, group }) => plural === made.plural && group === made.group);
      if (at >= 0) kinds.splice(at, 1, made);
      else kinds.push(made);
    }
    storage.put(kindOf("customresourcedefinitions"), {
      ...definition,
      status: establishedStatus(rfc3339(now())),
    });
  }

  function ensureNamespace(name: string): void {
    if (name === "") throw new RangeError("a namespaced object needs metadata.namespace");
    if (storage.collection(kindOf("namespaces")).get(name) !== undefined) return;
    put({ apiVersion: "v1", kind: "Namespace", metadata: { name }, status: { phase: "Active" } });
  }

  function seed({ apiVersion, kind: name, count, key, make }: SeedOptions): void {
    const kind = kindOfObject({ apiVersion, kind: name });
    const resourceVersion = String(storage.nextVersion());
    const creationTimestamp = rfc3339(now());
    const ofKind = kinds.indexOf(kind).toString(16).padStart(4, "0");
    const entries = Array.from({ length: count }, (_none, at): Entry => {
      const { namespace, name: own } = key(at);
      if (namespace !== undefined) ensureNamespace(namespace);
      const held = (): ServedObject =>
        withMeta(make(at), {
          resourceVersion,
          uid: `00000000-${ofKind}-4000-8000-${at.toString(16).padStart(12, "0")}`,
          creationTimestamp,
        });
      return { key: namespace === undefined ? own : `${namespace}/${own}`, held };
    });
    storage.collection(kind).seed(entries);
  }

  function kubeconfig(user = ADMIN): string {
    const known = [...users.values()].find(({ name }) => name === user);
    if (known === undefined) throw new RangeError(`no user "${user}"`);
    const trust =
      tls === undefined
        ? { "insecure-skip-tls-verify": true }
        : { "certificate-authority-data": Buffer.from(tls.ca).toString("base64") };
    // JSON is YAML
    return JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "test", cluster: { server: listener.url, ...trust } }],
      users: [{ name: "test", user: { token: known.token } }],
      contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
      "current-context": "test",
    });
  }

  const faults: Faults = {
    add: (rule) => faultList.add(rule),
    clear() {
      faultList.clear();
      handler.cutHung();
    },
    dropWatches: (resource) => {
      for (const watch of watches.running) if (isOf(watch.plural, resource)) watch.drop();
    },
    hangWatches: (resource) => {
      for (const watch of watches.running) if (isOf(watch.plural, resource)) watch.hang();
    },
  };

  const adminToken = addUser({ name: ADMIN, isAdmin: true });
  for (const user of options.users ?? []) addUser(user);
  for (const name of FIRST_NAMESPACES) ensureNamespace(name);
  for (const crd of options.crds ?? []) put(crd);
  await listener.open();
  const forget = cleanup.add({ name: "close the API server", undo: close });

  async function close(): Promise<void> {
    forget();
    await listener.close();
  }

  return {
    get url() {
      return listener.url;
    },
    token: adminToken,
    ca: tls?.ca,
    get resourceVersion() {
      return storage.version;
    },
    faults,
    get requests() {
      return handler.requests;
    },
    get connections() {
      return listener.connections;
    },
    get accepted() {
      return listener.accepted;
    },
    get watches() {
      return watches.running.size;
    },
    kubeconfig,
    kubeconfigPath(user = ADMIN) {
      const directory = join(cleanup.directory(), "kubeconfigs");
      mkdirSync(directory, { recursive: true });
      const path = join(directory, `${user.replaceAll(/[^\w.-]/g, "_")}-${listener.port}`);
      writeFileSync(path, kubeconfig(user), { mode: 0o600 });
      return path;
    },
    addUser,
    put,
    get: (resource, key) => storage.collection(kindOf(resource)).get(key),
    list(resource, namespace) {
      return storage
        .collection(kindOf(resource))
        .entries()
        .filter(({ key }) => namespace === undefined || key.startsWith(`${namespace}/`))
        .map(({ held }) => (typeof held === "function" ? held() : held));
    },
    delete: (resource, key) => storage.remove(kindOf(resource), key),
    seed,
    compact: () => storage.compact(),
    async restart({ history = "kept", downMs = 0 } = {}) {
      await listener.close();
      if (history === "lost") storage.compact();
      await new Promise((resolve) => setTimeout(resolve, downMs));
      await listener.open();
    },
    snapshot: () => storage.snapshot(),
    close,
  };
}

function isOf(plural: string, wanted: string | undefined): boolean {
  return wanted === undefined || plural === wanted;
}

async function serverTls(
  host: string,
): Promise<{ readonly cert: string; readonly key: string; readonly ca: string }> {
  const pki = await createPki("kubernetes test CA");
  return await pki.issue(["kubernetes", "localhost"], { ips: [host] });
}

/** Parses the JSON of what a test wrote as text, e.g. a manifest. */
export function parseObject(text: string): ObjectInput {
  const { apiVersion, kind, metadata, ...rest } = asJson(JSON.parse(text));
  const { name, ...meta } = asJson(metadata);
  return {
    ...rest,
    apiVersion: asText(apiVersion),
    kind: asText(kind),
    metadata: { ...meta, name: asText(name) },
  };
}
