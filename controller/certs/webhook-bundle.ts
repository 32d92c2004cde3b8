/** Tells the API server which CA the validating webhook's certificate is checked with. */

import { isConflict, isNotFound } from "../kube/api-error.ts";
import { isKubeObject } from "../kube/guards.ts";
import type { KubeApi } from "../kube/kube-api.ts";
import type { KubeObject } from "../kube/objects.ts";
import type { KubeResource } from "../kube/resources.ts";
import { asObject, asObjects } from "../objects/json.ts";
import { CONFLICTS_MAX } from "./limits.ts";

/** admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration, of the whole cluster. */
interface WebhookConfiguration extends KubeObject {
  readonly webhooks?: readonly object[];
}

const CONFIGURATIONS: KubeResource<WebhookConfiguration> = {
  group: "admissionregistration.k8s.io",
  version: "v1",
  kind: "ValidatingWebhookConfiguration",
  plural: "validatingwebhookconfigurations",
  namespaced: false,
  is: (value): value is WebhookConfiguration => isKubeObject(value),
};

/** What became of it. */
export type BundleOutcome = "written" | "good" | "not there yet";

/** Writes the CAs, PEM, into every webhook of the configuration. Before the installation it is not there yet. */
export async function writeWebhookBundle(
  api: KubeApi,
  name: string,
  bundle: string,
  signal: AbortSignal,
): Promise<BundleOutcome> {
  const caBundle = Buffer.from(bundle).toString("base64");
  for (let tries = 1; ; tries += 1) {
    try {
      const found = await api.get(CONFIGURATIONS, { name }, { signal });
      const hooks = asObjects(found.webhooks, Number.POSITIVE_INFINITY);
      if (hooks.every((hook) => asObject(hook["clientConfig"])["caBundle"] === caBundle)) return "good";
      const webhooks = hooks.map((hook) => ({
        ...hook,
        clientConfig: { ...asObject(hook["clientConfig"]), caBundle },
      }));
      await api.replace(CONFIGURATIONS, { ...found, webhooks }, { signal });
      return "written";
    } catch (error) {
      if (isNotFound(error)) return "not there yet";
      if (tries >= CONFLICTS_MAX || !isConflict(error)) throw error;
    }
  }
}
