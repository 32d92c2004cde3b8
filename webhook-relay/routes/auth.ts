import type { Context, MiddlewareHandler } from "hono";

import { TOKEN_ROLES, type TokenRole, type TokenSet } from "../tokens.ts";

/** Makes the middleware that lets in whoever shows a token with one of these roles: `Authorization: Bearer TOKEN`. */
export function requireRole(tokens: () => TokenSet, ...allowed: readonly TokenRole[]): MiddlewareHandler {
  return async (context, next) => {
    const roles = rolesOf(context, tokens());
    if (allowed.some((role) => roles.has(role))) {
      await next();
      return;
    }
    if (roles.size === 0) {
      context.header("www-authenticate", 'Bearer realm="tote relay"');
      return context.json(
        { error: `a token is required: Authorization: Bearer TOKEN (${allowed.join(" or ")})` },
        401,
      );
    }
    const shown = TOKEN_ROLES.filter((role) => roles.has(role)).join(" and ");
    return context.json(
      { error: `a token for ${shown} does not do here, it takes one for ${allowed.join(" or ")}` },
      403,
    );
  };
}

function rolesOf(context: Context, tokens: TokenSet): ReadonlySet<TokenRole> {
  const [, token] = /^Bearer +(\S+) *$/i.exec(context.req.header("authorization") ?? "") ?? [];
  return token === undefined ? new Set() : tokens.rolesOf(token);
}
