/** Why a grant was refused. */
export const GRANT_ERROR_CODES = [
  /** not a compact JWS, or a claim is missing or of the wrong type */
  "malformed",
  /** "none", a shared-secret algorithm, or one that does not belong to the certificate's key */
  "wrong_algorithm",
  /** `x5c` does not hold exactly one certificate */
  "certificate_chain",
  /** the certificate cannot be parsed, or its key is of a kind or size that is not accepted */
  "bad_certificate",
  /** no CA of ours issued the certificate directly */
  "wrong_ca",
  /** the certificate is a CA itself */
  "certificate_is_ca",
  /** the certificate, or the CA that issued it, is not valid any more */
  "certificate_expired",
  /** the certificate, or the CA that issued it, is not valid yet */
  "certificate_early",
  /** the certificate is not the controller's */
  "wrong_role",
  /** the certificate carries more than one role */
  "several_roles",
  /** the signature does not belong to the content */
  "bad_signature",
  /** the grant is not valid any more */
  "expired",
  /** the grant is not valid yet */
  "early",
  /** an export grant for an import, or the other way round */
  "wrong_operation",
  /** for another image */
  "wrong_digest",
  /** for another node */
  "wrong_node",
  /** the names asked for are not the names granted */
  "wrong_names",
  /** the sources asked for are not the sources granted */
  "wrong_sources",
  /** the size limit asked for is not the one granted */
  "wrong_max_bytes",
  /** the blob is not in the list */
  "blob_not_listed",
  /** signed by an older leader than one seen before */
  "old_epoch",
] as const;

/** Why a grant was refused, for machines. */
export type GrantErrorCode = (typeof GRANT_ERROR_CODES)[number];

/** A grant was refused. RPC handlers answer `permission_denied` with the message, which never holds the grant itself. */
export class GrantError extends Error {
  override readonly name = "GrantError";
  readonly code: GrantErrorCode;

  constructor(code: GrantErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
