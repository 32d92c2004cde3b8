import type { TokenRole } from "../tokens.ts";
import { ref, type Json, type schemas } from "./schemas.ts";

type SchemaName = keyof typeof schemas;

/** What one route does, in few words. */
export interface OperationOptions {
  readonly id: string;
  readonly summary: string;
  /** who may; empty: everybody, without a token */
  readonly roles: readonly TokenRole[];
  readonly parameters?: readonly Json[];
  /** the body of the request */
  readonly takes?: Json;
  /** answers by status: a schema of JSON, or a text of what the answer is */
  readonly answers: Readonly<Record<number, SchemaName | Json>>;
  /** statuses of {@link ref} "Error", beside those that follow from {@link roles} */
  readonly errors?: readonly number[];
}

/** Makes an operation of an OpenAPI document; refusals for want of a token are added. */
export function operation(options: OperationOptions): Json {
  const { id, summary, roles, parameters = [], takes, answers, errors = [] } = options;
  const refusals = roles.length === 0 ? [] : [401, 403];
  const responses = [
    ...Object.entries(answers).map(([status, answer]) => [status, response(status, answer)] as const),
    ...[...errors, ...refusals].map((status) => [String(status), response(String(status), "Error")] as const),
  ];
  return {
    operationId: id,
    summary: roles.length === 0 ? summary : `${summary} (token: ${roles.join(" or ")})`,
    ...(parameters.length > 0 && { parameters }),
    ...(takes !== undefined && { requestBody: takes }),
    security: roles.map((role) => ({ [role]: [] })),
    responses: Object.fromEntries(responses),
  };
}

/** The JSON that a request brings. */
export function body(schema: Json, isRequired = true): Json {
  return { required: isRequired, content: { "application/json": { schema } } };
}

/** A parameter of a path. */
export function inPath(name: string, schema: Json, description: string): Json {
  return { name, in: "path", required: true, schema, description };
}

/** A parameter of a query. */
export function inQuery(name: string, schema: Json, description: string): Json {
  return { name, in: "query", schema, description };
}

/** An answer that is no JSON. */
export function plain(description: string, mediaType = "text/plain"): Json {
  return { description, content: { [mediaType]: { schema: { type: "string" } } } };
}

function response(status: string, answer: SchemaName | Json): Json {
  if (typeof answer !== "string") return answer;
  return {
    description: DESCRIPTIONS[status] ?? answer,
    content: { "application/json": { schema: ref(answer) } },
  };
}

const DESCRIPTIONS: Readonly<Record<string, string>> = {
  200: "As asked",
  202: "On disk",
  400: "Not valid: the field and what it must be",
  401: "No token, or none that is known",
  403: "A token for something else",
  404: "There is no such thing",
  409: "Not in this state",
  413: "Too large",
  500: "A mistake of the relay, its log says more",
  503: "Not now; Retry-After says when",
};
