import type { RelayEvent } from "../event/event.ts";

/**
 * What events of one storm have in common: type, image and namespace. Never free text: a message that holds a time would
 * make every event a storm of its own. Pure.
 */
export function stormKey({ type, data }: RelayEvent): string {
  const { digest = "", image = "", namespace = "" } = data;
  return [type, digest === "" ? image : digest, namespace].join("\n");
}
