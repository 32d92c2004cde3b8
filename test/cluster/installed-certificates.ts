import { X509Certificate } from "node:crypto";

import { runEnsureCommand } from "../../controller/certs/ensure-command.ts";
import { asObject, asText } from "../../controller/objects/json.ts";
import { NAMESPACE } from "../chart/helm.ts";
import type { Cluster } from "./cluster.ts";
import { installedPods, metricOf } from "./installed-pods.ts";

/** Whose certificates are renewed. */
export const RENEWED = ["controller", "agent", "relay"] as const;
type Renewed = (typeof RENEWED)[number];

/** When a certificate in use ends. */
export const CERTIFICATE_END = "tote_tls_certificate_not_after_timestamp_seconds";
const AGE_MS = 20 * 3_600_000;

/** Puts certificates in place that were made 20 hours ago for one day. */
export async function ageCertificates({ kubectl, kubeconfig }: Cluster): Promise<void> {
  const secrets = RENEWED.map((party) => `tote-tls-${party}`);
  await kubectl(["delete", "secret", ...secrets, "--namespace", NAMESPACE]);
  let said = "";
  const print = (text: string): void => void (said += text);
  const code = await runEnsureCommand(
    "ensure",
    [
      `--kubeconfig=${kubeconfig}`,
      `--namespace=${NAMESPACE}`,
      "--days=1",
      "--tokens=false",
      `--parties=${RENEWED.join(",")}`,
    ],
    {},
    { print, printError: print, now: () => Date.now() - AGE_MS },
  );
  if (code !== 0) throw new Error(`tote certs ensure failed: ${said}`);
}

/** When the certificates in the Secrets end, in seconds since 1970. */
export async function newestEnds({ kubectl }: Cluster): Promise<ReadonlyMap<Renewed, number>> {
  const ends = new Map<Renewed, number>();
  for (const party of RENEWED) {
    const secret = asObject(await kubectl.get("secret", `tote-tls-${party}`, "--namespace", NAMESPACE));
    const cert = Buffer.from(asText(asObject(secret["data"])["tls.crt"]), "base64");
    ends.set(party, Date.parse(new X509Certificate(cert).validTo) / 1000);
  }
  return ends;
}

/** Whether all pods show certificates that end then. */
export async function allShow(cluster: Cluster, ends: ReadonlyMap<Renewed, number>): Promise<boolean> {
  for (const [party, end] of ends) {
    for (const pod of await installedPods(cluster, party)) {
      if ((await metricOf(party, pod, CERTIFICATE_END, { use: "service" })) !== end) return false;
    }
  }
  return true;
}
