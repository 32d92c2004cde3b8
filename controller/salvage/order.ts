/** Orders: records made by hand. They have no more rights than a pod of their namespace. */

import { isDigest, type Digest } from "../../lib/digest.ts";
import { InvalidValueError } from "../../lib/errors.ts";
import { parseReference, type ImageReference } from "../../lib/reference.ts";
import type { StrippedPod } from "../objects/pod.ts";
import type { SalvageRecordSpec } from "../objects/salvage-record.ts";
import { parseImageId } from "../resolve/image-id.ts";
import type { Resolution } from "../resolve/resolve-digest.ts";

/** An order that can be understood. */
export interface Order {
  readonly targetNode: string;
  /** the one name that is created on the node, as it was written */
  readonly imageRef: string;
  readonly reference: ImageReference;
  /** what the order says the name means; the resolution must agree */
  readonly digest: Digest | undefined;
}

/** What an order asks for, or why it cannot be followed. */
export type OrderReading =
  | { readonly kind: "order"; readonly order: Order }
  | {
      readonly kind: "refused";
      readonly reason: "OrderInvalid" | "OrderDigestMismatch";
      readonly message: string;
    };

/** Stands in a record's status for the image of an order that names none. */
export const NO_IMAGE = "(none)";

const NODE_NAME = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;

/**
 * Reads an order: `targetNode`, and `imageRef` or `digest` or both. A digest alone names no repository, which rights
 * and names on the node depend on: it is followed where a pod of the namespace has it, under that pod's repository. Pure.
 *
 * @param pods of the order's namespace
 */
export function readOrder(
  spec: SalvageRecordSpec,
  namespace: string,
  pods: readonly StrippedPod[],
): OrderReading {
  const { targetNode = "", imageRef = "", digest = "" } = spec;
  if (!NODE_NAME.test(targetNode)) return invalid("targetNode", targetNode, "must be the name of a node");
  if (digest !== "" && !isDigest(digest)) {
    return invalid("digest", digest, "must be sha256:<64 lower-case hex digits>");
  }
  const wanted = digest === "" ? undefined : digest;
  const name = imageRef === "" ? nameFor(wanted, namespace, pods) : imageRef;
  if (name === undefined) {
    return wanted === undefined
      ? refuse("OrderInvalid", "the order has neither imageRef nor digest: give one of them")
      : refuse(
          "OrderInvalid",
          `no pod of namespace ${namespace} has ${wanted}: write imageRef: repository@${wanted}`,
        );
  }
  try {
    const reference = parseReference(name, "imageRef");
    if (wanted !== undefined && reference.digest !== undefined && reference.digest !== wanted) {
      return refuse(
        "OrderDigestMismatch",
        `imageRef has ${reference.digest}, digest is ${wanted}: leave one out`,
      );
    }
    return { kind: "order", order: { targetNode, imageRef: name, reference, digest: wanted } };
  } catch (error) {
    if (error instanceof InvalidValueError) return refuse("OrderInvalid", error.message);
    throw error;
  }
}

/**
 * Whether a resolved order is what was ordered: a tag gets only the digest that resolution finds for that very name. Pure.
 */
export function checkOrder(order: Order, resolution: Resolution): OrderReading {
  if (resolution.kind === "resolved" && order.digest !== undefined && order.digest !== resolution.digest) {
    return refuse(
      "OrderDigestMismatch",
      `${order.imageRef} is ${resolution.digest} by ${resolution.from.slice(0, 3).join(", ")}, the order says ${order.digest}`,
    );
  }
  return { kind: "order", order };
}

function nameFor(
  digest: Digest | undefined,
  namespace: string,
  pods: readonly StrippedPod[],
): string | undefined {
  if (digest === undefined) return undefined;
  const identities = pods
    .filter((pod) => pod.namespace === namespace)
    .flatMap((pod) => pod.containers.map(({ imageId }) => parseImageId(imageId)));
  const repositories = identities.flatMap((identity) =>
    identity?.digest === digest ? [identity.repository] : [],
  );
  const repository = repositories.sort()[0];
  return repository === undefined ? undefined : `${repository}@${digest}`;
}

function invalid(field: string, value: string, rule: string): OrderReading {
  const found = value === "" ? "is empty" : `${JSON.stringify(value.slice(0, 100))} is not allowed`;
  return refuse("OrderInvalid", `${field}: ${found}, ${rule}`);
}

function refuse(reason: "OrderInvalid" | "OrderDigestMismatch", message: string): OrderReading {
  return { kind: "refused", reason, message };
}
