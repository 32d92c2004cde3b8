/** Requests and answers of the API server's webhooks. Source: the Kubernetes API, admission.k8s.io/v1 AdmissionReview. */

import { asObject, asText, isObject } from "../objects/json.ts";
import { reviewObject, type Verdict } from "./review-object.ts";

const API_VERSION = "admission.k8s.io/v1";

/** What is answered. */
export interface AdmissionAnswer {
  /** the AdmissionReview */
  readonly body: object;
  readonly result: "allowed" | "warned" | "denied";
}

/**
 * Answers a review.
 * @returns undefined when the request is none: nothing can be answered without its uid
 */
export function answerReview(request: unknown): AdmissionAnswer | undefined {
  const review = asObject(request);
  const asked = asObject(review["request"]);
  const uid = asText(asked["uid"]);
  if (review["apiVersion"] !== API_VERSION || review["kind"] !== "AdmissionReview" || uid === "") {
    return undefined;
  }
  const { mistakes, warnings } = verdict(asked);
  // without the reason Invalid: kubectl would look for details, and find none say no more than "The request is invalid"
  const denial = { code: 422, message: mistakes.join("; ") };
  const isAllowed = mistakes.length === 0;
  return {
    body: {
      apiVersion: API_VERSION,
      kind: "AdmissionReview",
      response: {
        uid,
        allowed: isAllowed,
        ...(!isAllowed && { status: denial }),
        ...(warnings.length > 0 && { warnings }),
      },
    },
    result: !isAllowed ? "denied" : warnings.length > 0 ? "warned" : "allowed",
  };
}

/** Only what is written is looked at; a subresource, the status with our nudge among them, is not. */
function verdict(asked: Readonly<Record<string, unknown>>): Verdict {
  const { operation, object, oldObject } = asked;
  const isWrite = operation === "CREATE" || operation === "UPDATE";
  if (!isWrite || asText(asked["subResource"]) !== "" || !isObject(object))
    return { mistakes: [], warnings: [] };
  const kind = asText(asObject(asked["kind"])["kind"]);
  return reviewObject(kind, object, isObject(oldObject) ? oldObject : undefined);
}
