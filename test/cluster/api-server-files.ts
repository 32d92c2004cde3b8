import { generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { createAuthority, issueCertificate } from "../../lib/certs.ts";
import { ADDRESSES } from "./layout.ts";

const HOUR_MS = 3_600_000;
const VALID_MS = 30 * 24 * HOUR_MS;

/** Users of a real API server, each with a token of its own. */
export interface TokenUser {
  readonly name: string;
  readonly groups: readonly string[];
}

/** Certificates, keys and tokens of an API server, on disk. */
export interface ApiServerFiles {
  readonly directory: string;
  /** PEM of the authority that signed its certificate */
  readonly ca: string;
  /** tokens by user name */
  readonly tokens: ReadonlyMap<string, string>;
}

/** Makes what an API server needs: a throw-away authority, its certificate, the key of service account tokens, static tokens. */
export async function writeApiServerFiles(
  directory: string,
  options: { readonly ip: string; readonly users: readonly TokenUser[] },
): Promise<ApiServerFiles> {
  const { ip, users } = options;
  await mkdir(directory, { recursive: true });
  const validity = { notBefore: Date.now() - HOUR_MS, notAfter: Date.now() + VALID_MS };
  const authority = await createAuthority({ commonName: "tote test cluster CA", ...validity });
  const serving = await issueCertificate(authority, {
    dnsNames: ["kubernetes", "kubernetes.default.svc"],
    // pods call it by its Service
    ips: [ip, ADDRESSES.apiService],
    ...validity,
  });
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const tokens = new Map(users.map(({ name }) => [name, randomBytes(16).toString("hex")]));
  // https://kubernetes.io/docs/reference/access-authn-authz/authentication/#static-token-file
  const rows = users.map(
    ({ name, groups }) => `${tokens.get(name) ?? ""},${name},${name},"${groups.join(",")}"`,
  );
  const files = {
    "ca.crt": authority.cert,
    "tls.crt": serving.cert,
    "tls.key": serving.key,
    "sa.key": privateKey.export({ type: "pkcs1", format: "pem" }),
    "sa.pub": publicKey.export({ type: "spki", format: "pem" }),
    "tokens.csv": `${rows.join("\n")}\n`,
  };
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(directory, name), content, { mode: 0o600 });
  }
  return { directory, ca: authority.cert, tokens };
}

/** Command line of an etcd of one member. */
export function etcdArguments(options: {
  readonly dataDir: string;
  readonly clientUrl: string;
  readonly peerUrl: string;
}): readonly string[] {
  const { dataDir, clientUrl, peerUrl } = options;
  return [
    `--data-dir=${dataDir}`,
    `--listen-client-urls=${clientUrl}`,
    `--advertise-client-urls=${clientUrl}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=default=${peerUrl}`,
    "--log-level=warn",
  ];
}

/** Command line of a kube-apiserver; `more` comes last. */
export function apiServerArguments(options: {
  readonly directory: string;
  readonly ip: string;
  readonly port: number;
  readonly etcdUrl: string;
  readonly more?: readonly string[];
}): readonly string[] {
  const { directory, ip, port, etcdUrl, more = [] } = options;
  const file = (name: string): string => join(directory, name);
  const issuer = "https://kubernetes.default.svc";
  return [
    `--etcd-servers=${etcdUrl}`,
    `--bind-address=${ip}`,
    `--advertise-address=${ip}`,
    `--secure-port=${port}`,
    `--tls-cert-file=${file("tls.crt")}`,
    `--tls-private-key-file=${file("tls.key")}`,
    `--token-auth-file=${file("tokens.csv")}`,
    "--authorization-mode=Node,RBAC",
    `--service-account-key-file=${file("sa.pub")}`,
    `--service-account-signing-key-file=${file("sa.key")}`,
    `--service-account-issuer=${issuer}`,
    `--api-audiences=${issuer}`,
    `--service-cluster-ip-range=${ADDRESSES.services}`,
    "--kubelet-preferred-address-types=InternalIP",
    "--profiling=false",
    ...more,
  ];
}
