/** A namespace as the controller keeps it. */
export interface StrippedNamespace {
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly isDeleting: boolean;
  /** annotations below `tote.dev/` */
  readonly annotations: Readonly<Record<string, string>>;
}
