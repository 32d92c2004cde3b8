/** The definition of SalvageRecord as clusters have it from the original tote, and a record as it made them. */

import type { ObjectInput } from "../harness/apiserver/types.ts";

const TEXT = { type: "string" };
const SPEC_FIELDS = ["digest", "imageRef", "podName", "sourceNode", "targetNode"];
const STATUS_FIELDS = ["completedAt", "error", "phase"];

/** Without a number of its schema; it has a status subresource, and knows three fields of the status. */
export const ORIGINAL_CRD: ObjectInput = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "salvagerecords.tote.dev" },
  spec: {
    group: "tote.dev",
    scope: "Namespaced",
    names: { kind: "SalvageRecord", plural: "salvagerecords", singular: "salvagerecord" },
    versions: [
      {
        name: "v1alpha1",
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: {
              apiVersion: TEXT,
              kind: TEXT,
              metadata: { type: "object" },
              spec: { type: "object", required: SPEC_FIELDS, properties: texts(SPEC_FIELDS) },
              status: { type: "object", required: ["phase"], properties: texts(STATUS_FIELDS) },
            },
          },
        },
      },
    ],
  },
};

/** What it wrote once it had moved an image: its status went with the creation, where the API server drops it. */
export function originalRecord(namespace: string, podName: string): ObjectInput {
  return {
    apiVersion: "tote.dev/v1alpha1",
    kind: "SalvageRecord",
    metadata: { name: `${podName}-816c11b8`, namespace },
    spec: {
      digest: "sha256:816c11b8ce8137ccf478c09306639ae53fd474ad5cb89b6bb1042ba707510b52",
      imageRef: "registry.test:5000/web:v1",
      podName,
      sourceNode: "a",
      targetNode: "b",
    },
  };
}

function texts(fields: readonly string[]): Readonly<Record<string, typeof TEXT>> {
  return Object.fromEntries(fields.map((field) => [field, TEXT]));
}
