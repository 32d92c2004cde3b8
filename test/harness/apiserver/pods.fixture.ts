import type { Cleanup } from "../cleanup.ts";
import type { Answer } from "./http.fixture.ts";
import { asJson } from "./json.ts";
import { createApiServer } from "./server.ts";
import type { ApiServer } from "./types.ts";

/** Where the pods of namespace "shop" are. */
export const PODS = "/api/v1/namespaces/shop/pods";

/** A server on which it is always half a second past ten, with namespace "shop". */
export async function startShop(cleanup: Cleanup): Promise<ApiServer> {
  const server = await createApiServer({ cleanup, now: () => Date.parse("2024-05-01T10:00:00.5Z") });
  server.put({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
  return server;
}

/** Takes all pods away from namespace "shop". */
export function emptyShop(server: ApiServer): void {
  for (const { metadata } of server.list("pods", "shop")) server.delete("pods", `shop/${metadata.name}`);
}

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
