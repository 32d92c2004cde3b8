import assert from "node:assert/strict";
import { test } from "node:test";

import { Registry } from "prom-client";

import { createAuthority } from "./certs.ts";
import { registerTlsMetrics } from "./tls-metrics.ts";

const authority = (notAfter: number) => createAuthority({ commonName: "x", notBefore: 0, notAfter });

test("the gauge tells when the certificate in use ends, also after it was renewed", async () => {
  const registry = new Registry();
  let { cert } = await authority(1_900_000_000_000);
  registerTlsMetrics(registry, () => cert);
  assert.match(await registry.metrics(), /^tote_tls_certificate_not_after_timestamp_seconds 1900000000$/m);
  ({ cert } = await authority(1_950_000_000_000));
  assert.match(await registry.metrics(), /^tote_tls_certificate_not_after_timestamp_seconds 1950000000$/m);
});
