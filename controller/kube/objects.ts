// The objects as they travel: plain JSON, times as text, every field that the API server may leave out optional. Only
// the fields that tote reads are named. Source: the Kubernetes API reference, v1.25 and newer.

/** Text by name: labels, annotations. */
export type StringMap = Readonly<Record<string, string>>;

/** An owner of an object. */
export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

/** `metadata` of every object. */
export interface ObjectMeta {
  readonly name: string;
  /** absent for objects of the whole cluster */
  readonly namespace?: string;
  readonly uid?: string;
  /** opaque; what an update must carry so as not to overwrite the change of another */
  readonly resourceVersion?: string;
  /** counts changes of `spec` */
  readonly generation?: number;
  /** RFC 3339, whole seconds */
  readonly creationTimestamp?: string;
  /** set once the object is being deleted */
  readonly deletionTimestamp?: string;
  readonly labels?: StringMap;
  readonly annotations?: StringMap;
  readonly ownerReferences?: readonly OwnerReference[];
  readonly finalizers?: readonly string[];
}

/** Any object. Items of a list may lack `apiVersion` and `kind`. */
export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ObjectMeta;
}

/** One page of a list. */
export interface KubeList<T> {
  readonly metadata: {
    /** what a watch continues from */
    readonly resourceVersion: string;
    /** asks for the next page; absent or empty on the last one */
    readonly continue?: string;
    readonly remainingItemCount?: number;
  };
  readonly items: readonly T[];
}

/** The answer of the API server to what it could not do. */
export interface Status {
  readonly kind?: string;
  readonly status?: string;
  readonly message?: string;
  readonly reason?: string;
  /** HTTP status */
  readonly code?: number;
  readonly details?: {
    readonly name?: string;
    readonly group?: string;
    readonly kind?: string;
    readonly uid?: string;
    readonly retryAfterSeconds?: number;
    readonly causes?: readonly {
      readonly reason?: string;
      readonly message?: string;
      readonly field?: string;
    }[];
  };
}

/** One line of a watch. */
export type WatchEvent =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: KubeObject }
  | {
      readonly type: "BOOKMARK";
      readonly object: { readonly metadata: { readonly resourceVersion: string } };
    }
  | { readonly type: "ERROR"; readonly object: Status };

/** A condition in a status. */
export interface Condition {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}

/** A lease (coordination.k8s.io/v1). Its times have exactly six digits of a second: see `micro-time.ts`. */
export interface Lease extends KubeObject {
  readonly spec?: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
}

/** Points at an object. */
export interface ObjectReference {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly uid?: string;
  readonly fieldPath?: string;
}

/** An event (events.k8s.io/v1). After it was created only `series` can change. */
export interface KubeEvent extends KubeObject {
  /** six digits of a second */
  readonly eventTime?: string;
  readonly series?: { readonly count: number; readonly lastObservedTime: string };
  readonly reportingController?: string;
  readonly reportingInstance?: string;
  readonly action?: string;
  readonly reason?: string;
  readonly regarding?: ObjectReference;
  readonly related?: ObjectReference;
  /** at most 1024 bytes */
  readonly note?: string;
  readonly type?: "Normal" | "Warning";
}
