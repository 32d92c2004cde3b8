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

/** A container of a pod. */
export interface Container {
  readonly name: string;
  readonly image?: string;
  readonly imagePullPolicy?: "Always" | "IfNotPresent" | "Never";
}

/** A volume of a pod. */
export interface Volume {
  readonly name: string;
  /** mounts the files of an image (Kubernetes 1.31) */
  readonly image?: { readonly reference?: string; readonly pullPolicy?: Container["imagePullPolicy"] };
}

/** The state of a container: at most one is set, none means waiting. */
export interface ContainerState {
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly running?: { readonly startedAt?: string };
  readonly terminated?: { readonly reason?: string; readonly message?: string; readonly exitCode?: number };
}

/** What the kubelet says of a container. */
export interface ContainerStatus {
  readonly name: string;
  readonly image?: string;
  /** "" until the container has started; then "repository@sha256:..." or the image's id */
  readonly imageID?: string;
  readonly ready?: boolean;
  readonly started?: boolean;
  readonly restartCount?: number;
  readonly state?: ContainerState;
  readonly lastState?: ContainerState;
}

/** A condition of a pod, a node or a record. */
export interface Condition {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}

/** A pod. */
export interface Pod extends KubeObject {
  readonly spec?: {
    /** absent until it is scheduled */
    readonly nodeName?: string;
    readonly containers?: readonly Container[];
    readonly initContainers?: readonly Container[];
    readonly ephemeralContainers?: readonly Container[];
    readonly volumes?: readonly Volume[];
    readonly restartPolicy?: string;
    readonly serviceAccountName?: string;
  };
  readonly status?: {
    readonly phase?: string;
    readonly reason?: string;
    readonly message?: string;
    readonly podIP?: string;
    readonly podIPs?: readonly { readonly ip: string }[];
    readonly hostIP?: string;
    readonly startTime?: string;
    readonly conditions?: readonly Condition[];
    readonly containerStatuses?: readonly ContainerStatus[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
    readonly ephemeralContainerStatuses?: readonly ContainerStatus[];
  };
}

/** A node. */
export interface Node extends KubeObject {
  readonly spec?: { readonly unschedulable?: boolean; readonly podCIDR?: string };
  readonly status?: {
    readonly conditions?: readonly Condition[];
    readonly addresses?: readonly { readonly type: string; readonly address: string }[];
    /** the kubelet's 50 largest, with at most 5 names each */
    readonly images?: readonly { readonly names?: readonly string[]; readonly sizeBytes?: number }[];
    readonly nodeInfo?: Readonly<Record<string, string>>;
  };
}

/** A namespace. */
export interface Namespace extends KubeObject {
  readonly status?: { readonly phase?: string };
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

/** A CustomResourceDefinition, as far as its age is looked at. */
export interface CustomResourceDefinition extends KubeObject {
  readonly spec?: {
    readonly versions?: readonly {
      readonly name: string;
      readonly served?: boolean;
      readonly storage?: boolean;
      readonly subresources?: { readonly status?: object };
      readonly schema?: { readonly openAPIV3Schema?: Readonly<Record<string, unknown>> };
    }[];
  };
  readonly status?: { readonly conditions?: readonly Condition[] };
}
