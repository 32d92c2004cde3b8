import { InvalidValueError } from "../../lib/errors.ts";
import { parseReference } from "../../lib/reference.ts";
import type { ImageFailure } from "./failure.ts";

/** What can be done about a failure, before anything is looked up. */
export type Disposition =
  /** bring the image to the node */
  | { readonly kind: "salvage" }
  /** bring what is missing of it, or remove the record when nobody has it */
  | { readonly kind: "repair" }
  /** say so, and touch nothing */
  | { readonly kind: "report"; readonly reason: UnhelpedReason; readonly message: string };

/** Why a failure is only reported. */
export type UnhelpedReason =
  | "ImageInspectError"
  | "ImageVolume"
  | "InvalidImageName"
  | "PullPolicyAlways"
  | "SandboxImage"
  | "SignatureValidationFailed";

/** Decides what can be done about a failure. Pure. */
export function dispositionOf(failure: ImageFailure): Disposition {
  switch (failure.reason) {
    case "InvalidImageName":
      return report("InvalidImageName", "the image name is not legal: correct it in the workload");
    case "SignatureValidationFailed":
      return report(
        "SignatureValidationFailed",
        "the signature of the image was refused: tote never brings such an image to a node",
      );
    case "ImageInspectError":
      return report(
        "ImageInspectError",
        "the container runtime cannot look images up: check it on this node",
      );
    case "FailedCreatePodSandBox":
      return report(
        "SandboxImage",
        `it is the sandbox (pause) image, without which no pod starts on this node: make its registry answer, or order it with a SalvageRecord; ${failure.message}`,
      );
    default:
  }
  if (failure.isVolume) {
    return report(
      "ImageVolume",
      "it is the image of a volume, which tote does not salvage yet: push it to a registry that answers",
    );
  }
  if (failure.pullPolicy === "Always") {
    return report(
      "PullPolicyAlways",
      "with imagePullPolicy Always the kubelet asks the registry whatever the node has: set IfNotPresent, best with the image by digest",
    );
  }
  try {
    parseReference(failure.image);
  } catch (error) {
    if (error instanceof InvalidValueError) return report("InvalidImageName", error.message);
    throw error;
  }
  return { kind: failure.problem === "corrupt" ? "repair" : "salvage" };
}

function report(reason: UnhelpedReason, message: string): Disposition {
  return { kind: "report", reason, message };
}
