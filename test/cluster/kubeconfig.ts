import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

/** Where an API server is, and as whom to call it. */
export interface KubeAccess {
  /** "https://ip:port" */
  readonly server: string;
  /** PEM of the authority that signed its certificate */
  readonly ca: string;
  readonly token: string;
}

/** Writes a kubeconfig with a token; answers its path. JSON is YAML. */
export async function writeKubeconfig(path: string, { server, ca, token }: KubeAccess): Promise<string> {
  const name = "tote-test";
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      { name, cluster: { server, "certificate-authority-data": Buffer.from(ca).toString("base64") } },
    ],
    users: [{ name, user: { token } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    "current-context": name,
  };
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `${JSON.stringify(config, undefined, 2)}\n`, { mode: 0o600 });
  return path;
}
