import type { Registry } from "prom-client";

import { systemClock } from "../../lib/clock.ts";
import type { HostPort } from "../../lib/flag-types.ts";
import type { Logger } from "../../lib/log.ts";
import type { TlsFiles } from "../../lib/tls.ts";
import { TlsReloader } from "../../lib/tls-reload.ts";
import { startWebhookServer } from "./webhook-server.ts";

/** Where the webhook is served, and with which certificate. */
export interface AdmissionConfig {
  readonly listen: HostPort;
  /** the CA is not asked of clients: the API server shows no certificate */
  readonly tls: TlsFiles;
}

/** A webhook that follows its certificate's files. */
export interface ServedWebhook {
  readonly port: number;
  /** the one in use, PEM */
  certificate(): string;
  close(): Promise<void>;
}

/**
 * Serves the webhook until it is closed.
 * @throws TlsMaterialError when the certificate cannot be used; Error when it cannot listen
 */
export async function serveWebhook(
  { listen, tls }: AdmissionConfig,
  { registry, logger }: { readonly registry: Registry; readonly logger: Logger },
  signal: AbortSignal,
): Promise<ServedWebhook> {
  const reloader = await TlsReloader.open(
    {
      files: tls,
      clock: systemClock,
      onChange: (material) => {
        server.updateTls(material);
        logger.info("certificate of the webhook reloaded");
      },
      onError: (error) =>
        logger.error("certificate of the webhook not reloaded, the old one stays", { error }),
    },
    signal,
  );
  const server = await startWebhookServer({ ...listen, material: reloader.current, registry, logger });
  const ended = new AbortController();
  const reloading = reloader.run(ended.signal);
  return {
    port: server.port,
    certificate: () => reloader.current.cert,
    async close() {
      ended.abort();
      await Promise.all([reloading, server.close()]);
    },
  };
}
