/** What the types of events are called in a message. */

/** Stands in every message about images: what was saved is borrowed time. */
export const DEBT = "This is technical debt — rebuild and push the image properly.";

const WORDS: Readonly<Record<string, readonly [icon: string, title: string]>> = {
  detected: ["🔴", "image cannot be pulled"],
  salvageable: ["🟡", "other nodes hold the image"],
  salvaged: ["🔵", "image salvaged"],
  salvage_failed: ["❌", "salvage failed"],
  recovered: ["✅", "running again"],
  not_recovered: ["❌", "image is there, but it still does not run"],
  not_actionable: ["⚠️", "cannot be salvaged"],
  ambiguous: ["⚠️", "nodes disagree on what the tag means"],
  corrupt: ["⚠️", "content of the image is missing on the node"],
  pushed: ["📦", "image pushed to the backup registry"],
  push_failed: ["❌", "push to the backup registry failed"],
  test: ["🔔", "test of the subscription"],
};

/** A type in words. */
export interface Words {
  readonly icon: string;
  readonly title: string;
  /** the last word of the type, e.g. "salvage_failed" as "salvage failed" */
  readonly name: string;
}

/** How a type is called; one that is not known goes by its last word. */
export function wordsOf(type: string): Words {
  const last = type.split(".").at(-1) ?? type;
  const name = last.replaceAll("_", " ");
  const [icon, title] = Object.hasOwn(WORDS, last) ? (WORDS[last] ?? ["ℹ️", name]) : ["ℹ️", name];
  return { icon, title, name };
}

/** "12:00:07" of a time, UTC. */
export function clockTime(time: string): string {
  return new Date(time).toISOString().slice(11, 19);
}
