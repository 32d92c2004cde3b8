import { createHash } from "node:crypto";

import { Hono } from "hono";

import type { Readiness } from "../../lib/health-server.ts";
import { formatPublicKey } from "../sign.ts";

/** What the routes for everybody need. */
export interface OpenOptions {
  readonly readiness: () => Readiness;
  /** public halves of the ed25519 keys that messages are signed with now */
  readonly publicKeys: () => readonly Uint8Array[];
}

/** `/healthz`, `/readyz` and `/.well-known/webhook-keys.json`: without a token. */
export function openRoutes({ readiness, publicKeys }: OpenOptions): Hono {
  const app = new Hono();
  app.get("/healthz", (context) => context.text("ok\n"));
  app.get("/readyz", (context) => {
    const { ready, reason } = readiness();
    return ready ? context.text("ok\n") : context.text(`not ready: ${reason}\n`, 503);
  });
  app.get("/.well-known/webhook-keys.json", (context) => context.json({ keys: publicKeys().map(toKey) }));
  return app;
}

/** A JSON Web Key (RFC 8037), and the form that Standard Webhooks has for it. */
function toKey(publicKey: Uint8Array): object {
  return {
    kty: "OKP",
    crv: "Ed25519",
    use: "sig",
    kid: createHash("sha256").update(publicKey).digest("hex").slice(0, 16),
    x: Buffer.from(publicKey).toString("base64url"),
    whpk: formatPublicKey(publicKey),
  };
}
