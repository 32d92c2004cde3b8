import { Hono } from "hono";

import { openApiDocument } from "../openapi/document.ts";
import { TOKEN_ROLES, type TokenSet } from "../tokens.ts";
import { requireRole } from "./auth.ts";

/** `GET /openapi.json`: what all of this is, for whoever has any token. */
export function openApiRoutes({ tokens }: { readonly tokens: () => TokenSet }): Hono {
  const app = new Hono();
  const document = openApiDocument();
  app.get("/openapi.json", requireRole(tokens, ...TOKEN_ROLES), (context) => context.json(document));
  return app;
}
