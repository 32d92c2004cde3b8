import { Hono } from "hono";

import { openApiDocument } from "../openapi/document.ts";
import { TOKEN_ROLES, type TokenSet } from "../tokens.ts";
import { requireRole } from "./auth.ts";

/** `GET /openapi.json`: the description of this API, with a token of whichever role. */
export function openApiRoutes({ tokens }: { readonly tokens: () => TokenSet }): Hono {
  const app = new Hono();
  const document = openApiDocument();
  app.get("/openapi.json", requireRole(tokens, ...TOKEN_ROLES), (context) => context.json(document));
  return app;
}
