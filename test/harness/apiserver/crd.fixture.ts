import type { ObjectInput } from "./types.ts";

const digest = { type: "string", pattern: "^sha256:[0-9a-f]{64}$", maxLength: 71 };

/** A definition with one of everything that the server judges, for its own tests. */
export const WIDGETS: ObjectInput = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "widgets.example.test" },
  spec: {
    group: "example.test",
    scope: "Namespaced",
    names: { kind: "Widget", plural: "widgets", singular: "widget", listKind: "WidgetList" },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: "object",
            required: ["spec"],
            properties: {
              apiVersion: { type: "string" },
              kind: { type: "string" },
              metadata: { type: "object" },
              spec: {
                type: "object",
                required: ["digest"],
                properties: {
                  digest: {
                    ...digest,
                    "x-kubernetes-validations": [{ rule: "self == oldSelf", message: "digest is immutable" }],
                  },
                  size: { type: "integer", format: "int64", minimum: 0, maximum: 100 },
                  ratio: { type: "number" },
                  on: { type: "boolean", default: true },
                  mode: { type: "string", enum: ["fast", "slow"] },
                  title: { type: "string", minLength: 2, maxLength: 5 },
                  nothing: { type: "string", nullable: true },
                  labels: {
                    type: "object",
                    maxProperties: 2,
                    additionalProperties: { type: "string", maxLength: 3 },
                  },
                  any: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
                },
              },
              status: {
                type: "object",
                properties: {
                  phase: { type: "string" },
                  at: { type: "string", format: "date-time" },
                  sources: {
                    type: "array",
                    maxItems: 2,
                    items: { type: "string" },
                    "x-kubernetes-list-type": "set",
                  },
                  conditions: {
                    type: "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["type"],
                    items: {
                      type: "object",
                      required: ["type"],
                      properties: { type: { type: "string" }, status: { type: "string" } },
                    },
                  },
                },
              },
            },
          },
        },
      },
    ],
  },
};
