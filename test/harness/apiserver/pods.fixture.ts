import type { Answer } from "./http.fixture.ts";
import { asJson } from "./json.ts";

/** Where the pods of namespace "shop" are. */
export const PODS = "/api/v1/namespaces/shop/pods";

/** A pod of namespace "shop". */
export function pod(name: string, spec: object = {}) {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "shop" },
    spec: { containers: [{ name: "c", image: "nginx:1" }], ...spec },
  };
}

/** The metadata of an answer. */
export function meta(answer: Answer) {
  return asJson(answer.body["metadata"]);
}
