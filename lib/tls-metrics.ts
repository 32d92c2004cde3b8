import { X509Certificate } from "node:crypto";

import { Gauge, type Registry } from "prom-client";

/**
 * Registers `tote_tls_certificate_not_after_timestamp_seconds`: when the certificate in use ends, asked at each scrape.
 * Without TLS the gauge is not there, so that an alert on it stays silent.
 * @param cert the certificate in use, PEM, own one first
 */
export function registerTlsMetrics(registry: Registry, cert: () => string): void {
  new Gauge({
    name: "tote_tls_certificate_not_after_timestamp_seconds",
    help: "when the certificate in use ends, in seconds since 1970",
    registers: [registry],
    collect() {
      this.set(Date.parse(new X509Certificate(cert()).validTo) / 1000);
    },
  });
}
