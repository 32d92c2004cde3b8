import { X509Certificate } from "node:crypto";

import { dnsNamesOfCertificate } from "./subject-alt-names.ts";

/** The parties of tote. A certificate carries exactly one of these as a DNS name; peers are verified by it. */
export const ROLES = {
  controller: "tote-controller",
  agent: "tote-agent",
  operator: "tote-operator",
  relay: "tote-relay",
} as const;

/** One party of tote, as the DNS name in its certificate. */
export type Role = (typeof ROLES)[keyof typeof ROLES];

/** Every role, in the order that help texts show. */
export const ALL_ROLES: readonly Role[] = Object.values(ROLES);

/** Why a certificate has no role: it names none, it names several, or it cannot be read. */
export type RoleErrorCode = "no_role" | "several_roles" | "malformed";

/** A certificate does not carry exactly one role. RPC handlers answer `permission_denied`. */
export class RoleError extends Error {
  override readonly name = "RoleError";
  readonly code: RoleErrorCode;

  constructor(code: RoleErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Whether `name` is the DNS name of a role. Exact: case counts. */
export function isRole(name: string): name is Role {
  return (ALL_ROLES as readonly string[]).includes(name);
}

/**
 * The role that a certificate carries among its DNS names. Other names ("tote-relay.tote.svc") are ignored. This says
 * nothing about who signed the certificate: TLS or the grant check has done that before.
 * @param certificate the certificate, or its DER
 * @throws RoleError when it names no role, several, or cannot be read
 */
export function roleOfCertificate(certificate: X509Certificate | Uint8Array): Role {
  const names = readNames(certificate);
  const roles = [...new Set(names.filter(isRole))];
  const [role, ...others] = roles;
  if (role === undefined) {
    const found = names.length === 0 ? "it has no DNS names" : `it has ${names.map(quote).join(", ")}`;
    throw new RoleError(
      "no_role",
      `certificate names no role: ${found}, expected one of ${ALL_ROLES.join(", ")}`,
    );
  }
  if (others.length > 0) {
    throw new RoleError(
      "several_roles",
      `certificate names ${roles.length} roles (${roles.join(", ")}), must be exactly one`,
    );
  }
  return role;
}

function readNames(certificate: X509Certificate | Uint8Array): readonly string[] {
  try {
    return dnsNamesOfCertificate(certificate instanceof X509Certificate ? certificate.raw : certificate);
  } catch (error) {
    throw new RoleError("malformed", "certificate cannot be read", { cause: error });
  }
}

function quote(name: string): string {
  return JSON.stringify(name);
}
