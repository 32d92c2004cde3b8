import { TOKEN_ROLES, type TokenRole } from "../tokens.ts";
import { pagePaths } from "./page-paths.ts";
import { apiPaths } from "./paths.ts";
import { schemas, type Json } from "./schemas.ts";

const ABOUT: Readonly<Record<TokenRole, string>> = {
  ingest: "May post events: a value of --token-file",
  read: "May read: a value of --read-token-file",
  admin: "May read and change: a value of --admin-token-file",
};

/** The description of the relay's HTTP interface, OpenAPI 3.1. */
export function openApiDocument(): Json {
  const schemes = TOKEN_ROLES.map((role) => [
    role,
    { type: "http", scheme: "bearer", description: ABOUT[role] },
  ]);
  return {
    openapi: "3.1.0",
    info: {
      title: "tote webhook relay",
      version: "1",
      description:
        "Takes tote's events and delivers them to webhooks and Slack: signed, retried, never lost.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/" }],
    tags: [{ name: "page", description: "For people, with a browser" }],
    paths: { ...apiPaths, ...pagePaths },
    components: {
      schemas,
      securitySchemes: {
        ...Object.fromEntries(schemes),
        session: { type: "apiKey", in: "cookie", name: "tote-relay", description: "From /login" },
      },
    },
  };
}
