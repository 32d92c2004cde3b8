/** Numbers of the certificates that `tote certs ensure` keeps. */

export const DAY_MS = 86_400_000;

/** Certificates are valid from a little before now, for machines whose clock is behind. */
export const BACKDATE_MS = 10 * 60_000;

/** How long a new CA lives. */
export const AUTHORITY_DAYS = 3650;

/** How long everybody trusts a coming CA before it signs: every kubelet and every service has read the bundle by then. */
export const OVERLAP_MS = 12 * 3_600_000;

/** A certificate is renewed when less than one part of this many of its life is left. */
export const RENEW_BELOW_PART = 3;

/** How often everything is looked at anew when another run changes the same Secrets: one that is a step ahead may win all seven. */
export const CONFLICTS_MAX = 10;

/** Bytes of a random token. */
export const TOKEN_BYTES = 32;
