import assert from "node:assert/strict";
import { test } from "node:test";

import { Registry } from "prom-client";

import { createAuthority } from "./certs.ts";
import { registerTlsMetrics } from "./tls-metrics.ts";

const authority = (notAfter: number) =>
  createAuthority({ commonName: "x", notBefore: 1_800_000_000_000, notAfter });

test("the gauges tell when the certificates in use end, also after they were renewed", async () => {
  const registry = new Registry();
  let { cert } = await authority(1_900_000_000_000);
  const other = await authority(1_850_000_000_000);
  let webhook: string | undefined;
  registerTlsMetrics(registry, { service: () => cert, webhook: () => webhook });
  const shown = async (): Promise<readonly string[]> =>
    (await registry.metrics())
      .split("\n")
      .filter((line) => line.startsWith("tote_tls_certificate_"))
      .map((line) => line.replace("tote_tls_certificate_", ""));
  assert.deepEqual(await shown(), [
    'not_after_timestamp_seconds{use="service"} 1900000000',
    'lifetime_seconds{use="service"} 100000000',
  ]);
  ({ cert } = await authority(1_950_000_000_000));
  webhook = other.cert;
  assert.deepEqual(await shown(), [
    'not_after_timestamp_seconds{use="service"} 1950000000',
    'not_after_timestamp_seconds{use="webhook"} 1850000000',
    'lifetime_seconds{use="service"} 150000000',
    'lifetime_seconds{use="webhook"} 50000000',
  ]);
});
