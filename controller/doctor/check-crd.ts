import { asObject, asTime } from "../objects/json.ts";
import {
  checkCrd as compareCrd,
  CRD_APPLY_COMMAND,
  CRD_NAME,
  CRD_SCHEMA_ANNOTATION,
} from "../objects/crd-check.ts";
import { counted, type Check } from "./check.ts";

const DAY_MS = 86_400_000;

/**
 * Whether the definition of SalvageRecord is there and as new as this release. Pure.
 * @param raw as the API server sends it; undefined when there is none
 * @param now milliseconds since 1970
 * @param release version of this tote
 */
export function checkCrd(raw: unknown, now: number, release: string): Check {
  const name = "crd";
  if (raw === undefined) {
    return { name, status: "fail", message: `${CRD_NAME} is not installed: ${CRD_APPLY_COMMAND}` };
  }
  const compared = compareCrd(raw);
  if (compared.kind === "older") {
    return { name, status: "fail", message: `${compared.message} (this is tote ${release})` };
  }
  const metadata = asObject(asObject(raw)["metadata"]);
  const schema = String(asObject(metadata["annotations"])[CRD_SCHEMA_ANNOTATION]);
  const days = Math.max(0, Math.floor((now - asTime(metadata["creationTimestamp"])) / DAY_MS));
  return {
    name,
    status: "ok",
    message: `${CRD_NAME} of schema ${schema}, installed ${counted(days, "day")} ago, fits tote ${release}`,
  };
}
