/** One thing that is wrong with an object. */
export interface Cause {
  /** e.g. "FieldValueRequired" */
  readonly reason: string;
  readonly message: string;
  readonly field: string;
}

/** What the object or the request is about, for messages. */
export interface Subject {
  readonly group: string;
  readonly plural: string;
  readonly kind: string;
  readonly name: string;
}

/** A request that is answered with a Status. Texts and reasons follow k8s.io/apimachinery/pkg/api/errors. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly code: number;
  readonly reason: string | undefined;
  readonly details: object | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(options: {
    readonly code: number;
    readonly reason?: string;
    readonly message: string;
    readonly details?: object;
    readonly retryAfterSeconds?: number;
  }) {
    super(options.message);
    this.code = options.code;
    this.reason = options.reason;
    this.details = options.details;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }

  /** The body of the answer. */
  status(): object {
    return {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: this.message,
      ...(this.reason !== undefined && { reason: this.reason }),
      ...(this.details !== undefined && { details: this.details }),
      code: this.code,
    };
  }
}

/** 400 */
export function badRequest(message: string): Refusal {
  return new Refusal({ code: 400, reason: "BadRequest", message });
}

/** 401 */
export function unauthorized(): Refusal {
  return new Refusal({ code: 401, reason: "Unauthorized", message: "Unauthorized" });
}

/** 404 for an object */
export function notFound(subject: Subject): Refusal {
  return new Refusal({
    code: 404,
    reason: "NotFound",
    message: `${qualified(subject)} "${subject.name}" not found`,
    details: details(subject),
  });
}

/** 404 for a path */
export function noSuchPath(): Refusal {
  return new Refusal({
    code: 404,
    reason: "NotFound",
    message: "the server could not find the requested resource",
    details: {},
  });
}

/** 405 */
export function methodNotAllowed(): Refusal {
  return new Refusal({
    code: 405,
    reason: "MethodNotAllowed",
    message: "the server does not allow this method on the requested resource",
    details: {},
  });
}

/** 403 */
export function forbidden(subject: Subject, why: string): Refusal {
  const object = subject.name === "" ? qualified(subject) : `${qualified(subject)} "${subject.name}"`;
  return new Refusal({
    code: 403,
    reason: "Forbidden",
    message: `${object} is forbidden: ${why}`,
    details: details(subject),
  });
}

/** 409 on create */
export function alreadyExists(subject: Subject): Refusal {
  return new Refusal({
    code: 409,
    reason: "AlreadyExists",
    message: `${qualified(subject)} "${subject.name}" already exists`,
    details: details(subject),
  });
}

/** 409 on update and delete */
export function conflict(subject: Subject, why?: string): Refusal {
  const text =
    why ?? "the object has been modified; please apply your changes to the latest version and try again";
  return new Refusal({
    code: 409,
    reason: "Conflict",
    message: `Operation cannot be fulfilled on ${qualified(subject)} "${subject.name}": ${text}`,
    details: details(subject),
  });
}

/** 410; a watch gets it as an event */
export function expired(message: string): Refusal {
  return new Refusal({ code: 410, reason: "Expired", message });
}

/** 415 */
export function unsupportedMediaType(): Refusal {
  return new Refusal({
    code: 415,
    reason: "UnsupportedMediaType",
    message:
      "the body of the request was in an unknown format - accepted media types include: application/merge-patch+json",
  });
}

/** 422 */
export function invalid(subject: Subject, causes: readonly Cause[]): Refusal {
  const said = causes.map(({ field, message }) => `${field}: ${message}`);
  const list = said.length === 1 ? said[0] : `[${said.join(", ")}]`;
  const kind = subject.group === "" ? subject.kind : `${subject.kind}.${subject.group}`;
  return new Refusal({
    code: 422,
    reason: "Invalid",
    message: `${kind} "${subject.name}" is invalid: ${list}`,
    details: { name: subject.name, group: subject.group, kind: subject.kind, causes },
  });
}

/** 504: a version from the future. Source: k8s.io/apiserver/pkg/storage/errors.go */
export function tooLargeVersion(wanted: number, current: number): Refusal {
  const message = `Too large resource version: ${wanted}, current: ${current}`;
  return new Refusal({
    code: 504,
    reason: "Timeout",
    message: `Timeout: ${message}`,
    details: {
      causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
      retryAfterSeconds: 1,
    },
    retryAfterSeconds: 1,
  });
}

/** The plural with its group, as messages have it: "leases.coordination.k8s.io". */
function qualified({ plural, group }: Subject): string {
  return group === "" ? plural : `${plural}.${group}`;
}

function details({ name, group, plural }: Subject): object {
  return { ...(name !== "" && { name }), ...(group !== "" && { group }), kind: plural };
}

/** "Required value" */
export function required(field: string, message = ""): Cause {
  return {
    reason: "FieldValueRequired",
    message: `Required value${message === "" ? "" : `: ${message}`}`,
    field,
  };
}

/** "Invalid value" */
export function invalidValue(field: string, value: unknown, message: string): Cause {
  return {
    reason: "FieldValueInvalid",
    message: `Invalid value: ${JSON.stringify(value) ?? "null"}: ${message}`,
    field,
  };
}

/** "Unsupported value" */
export function unsupportedValue(field: string, value: unknown, supported: readonly unknown[]): Cause {
  const list = supported.map((one) => JSON.stringify(one)).join(", ");
  return {
    reason: "FieldValueNotSupported",
    message: `Unsupported value: ${JSON.stringify(value)}: supported values: ${list}`,
    field,
  };
}

/** "Too long" */
export function tooLong(field: string, max: number): Cause {
  return { reason: "FieldValueTooLong", message: `Too long: may not be longer than ${max}`, field };
}

/** "Too many" */
export function tooMany(field: string, count: number, max: number): Cause {
  return {
    reason: "FieldValueTooMany",
    message: `Too many: ${count}: must have at most ${max} items`,
    field,
  };
}

/** "Forbidden" for a field */
export function forbiddenField(field: string, message: string): Cause {
  return { reason: "FieldValueForbidden", message: `Forbidden: ${message}`, field };
}
