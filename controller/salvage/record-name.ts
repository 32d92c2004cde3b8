/** Names and labels of records, so that every leader makes the same ones. */

import { createHash } from "node:crypto";

import { digestHex, isDigest } from "../../lib/digest.ts";
import { MANAGED_BY, RECORD_LABELS } from "../objects/salvage-record.ts";

/** What a record is about. */
export interface RecordKey {
  readonly namespace: string;
  /** the digest, or the normalised image name while no digest is known */
  readonly content: string;
  readonly targetNode: string;
}

const BASENAME_MAX = 30;
/** Stands for a repository of which no legal character is left. */
const NO_BASENAME = "image";

/**
 * The name of a record: `<repository basename, at most 30>-<8 hex of the digest>-<10 hex of sha256(namespace, digest,
 * node, episode)>`. Legal for any input.
 *
 * @param repository normalised, e.g. "docker.io/library/nginx"
 * @param episode 1 + ended records of the same key
 */
export function recordName(key: RecordKey, repository: string, episode: number): string {
  const basename = repository
    .slice(repository.lastIndexOf("/") + 1)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .slice(0, BASENAME_MAX)
    .replaceAll(/^-+|-+$/g, "");
  const content = isDigest(key.content) ? digestHex(key.content) : sha256(key.content);
  const unique = sha256([key.namespace, key.content, key.targetNode, String(episode)].join("\n"));
  return `${basename === "" ? NO_BASENAME : basename}-${content.slice(0, 8)}-${unique.slice(0, 10)}`;
}

/** The labels of a record that the controller makes; without a digest there is no label for it. */
export function recordLabels(key: RecordKey): Readonly<Record<string, string>> {
  return {
    ...(isDigest(key.content) && { [RECORD_LABELS.digest]: digestHex(key.content).slice(0, 32) }),
    [RECORD_LABELS.node]: sha256(key.targetNode).slice(0, 16),
    [RECORD_LABELS.managedBy]: MANAGED_BY,
  };
}

/** A key as one text, for maps and queues. */
export function recordKeyText({ namespace, content, targetNode }: RecordKey): string {
  return [namespace, content, targetNode].join("\n");
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
