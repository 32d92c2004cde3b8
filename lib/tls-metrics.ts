import { X509Certificate } from "node:crypto";

import { Gauge, type Registry } from "prom-client";

/** What a certificate is used for: between services of tote, or towards the API server. */
export type CertificateUse = "service" | "webhook";

/**
 * Registers `tote_tls_certificate_not_after_timestamp_seconds` and `tote_tls_certificate_lifetime_seconds`: when the
 * certificates in use end and how long they live, asked at each scrape. Without TLS there is no sample, so that an alert
 * stays silent.
 * @param inUse the certificates in use by what they are for, PEM, own one first; undefined for none
 */
export function registerTlsMetrics(
  registry: Registry,
  inUse: Readonly<Partial<Record<CertificateUse, () => string | undefined>>>,
): void {
  const labelNames = ["use"] as const;
  const register = (name: string, help: string, seconds: (certificate: X509Certificate) => number): void => {
    new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        for (const [use, current] of Object.entries(inUse)) {
          const cert = current();
          if (cert !== undefined) this.set({ use }, seconds(new X509Certificate(cert)));
        }
      },
    });
  };
  register(
    "tote_tls_certificate_not_after_timestamp_seconds",
    "when the certificate in use ends, in seconds since 1970",
    ({ validTo }) => Date.parse(validTo) / 1000,
  );
  register(
    "tote_tls_certificate_lifetime_seconds",
    "how long the certificate in use lives from its first to its last second",
    ({ validFrom, validTo }) => (Date.parse(validTo) - Date.parse(validFrom)) / 1000,
  );
}
