import assert from "node:assert/strict";
import { test } from "node:test";

import { Code } from "@connectrpc/connect";

import { createManualClock } from "../../test/harness/manual-clock.ts";
import { IMAGE_LABELS } from "../image/labels.ts";
import { wantedNames } from "../image/names.ts";
import { VISIBLE_TIMEOUT_MS } from "../limits.ts";
import { ImageRecorder } from "./image-recorder.ts";
import { ImportError } from "./import-error.ts";
import { MemoryContent } from "./memory-content.fixture.ts";
import { MemoryImages } from "./memory-images.fixture.ts";

const digestOf = (character: string): string => `sha256:${character.repeat(64)}`;
const CONFIG = digestOf("c");
const target = { mediaType: "application/vnd.oci.image.index.v1+json", digest: digestOf("a"), size: 7 };
const other = { ...target, digest: digestOf("b") };
const TAG = "docker.io/library/nginx:1.25";
const BY_DIGEST = `docker.io/library/nginx@${target.digest}`;
const names = wantedNames(["nginx:1.25"], target.digest);
const never = new AbortController().signal;

function rig() {
  const clock = createManualClock();
  const images = new MemoryImages();
  const content = new MemoryContent();
  /** what CRI knows, by name */
  const seen = new Map<string, string>();
  const cri = {
    async imageStatus(name: string) {
      const id = seen.get(name);
      return id === undefined ? undefined : { id, repoTags: [], repoDigests: [], size: 0, pinned: false };
    },
  };
  const recorder = new ImageRecorder({ containerd: { images, content, cri }, clock });
  return { clock, images, content, seen, recorder };
}

test("records are the config digest, the tag and the digest name, in CRI's order and with its label", async () => {
  const { images, recorder } = rig();
  assert.deepEqual(await recorder.record(names, target, CONFIG, never), [TAG, BY_DIGEST, CONFIG]);
  assert.deepEqual([...images.records.keys()], [CONFIG, TAG, BY_DIGEST]);
  for (const record of images.records.values()) {
    assert.deepEqual(record, { name: record.name, target, labels: IMAGE_LABELS });
  }
});

test("a tag that points at another digest is refused by name, with both digests, and no record is left", async () => {
  const { images, recorder } = rig();
  images.records.set(TAG, { name: TAG, target: other, labels: {} });
  const isConflict = (error: unknown): boolean => {
    assert.ok(error instanceof ImportError);
    assert.equal(error.code, Code.FailedPrecondition);
    assert.equal(error.retryable, false);
    for (const word of [TAG, other.digest, target.digest])
      assert.ok(error.message.includes(word), error.message);
    return true;
  };
  await assert.rejects(recorder.checkTags(names, target.digest, never), isConflict);
  await assert.rejects(recorder.record(names, target, CONFIG, never), isConflict);
  assert.deepEqual([...images.records.keys()], [TAG]);
});

test("a record that is there already gets CRI's label, keeps its own, and stays when another cannot be made", async () => {
  const { images, recorder } = rig();
  images.records.set(TAG, { name: TAG, target, labels: { mine: "yes" } });
  images.onCreate = (name) => {
    if (name === BY_DIGEST) throw new Error("no more records");
  };
  await assert.rejects(recorder.record(names, target, CONFIG, never), /no more records/);
  assert.deepEqual([...images.records.keys()], [TAG]);
  images.onCreate = () => undefined;
  await recorder.record(names, target, CONFIG, never);
  assert.deepEqual(images.records.get(TAG)?.labels, { mine: "yes", ...IMAGE_LABELS });
});

test("a signal that fires while records are made leaves none, not even the last one", async () => {
  for (const at of [CONFIG, TAG, BY_DIGEST]) {
    const { images, recorder } = rig();
    const stop = new AbortController();
    images.onCreate = (name) => {
      if (name === at) stop.abort(new Error("cancelled"));
    };
    await assert.rejects(recorder.record(names, target, CONFIG, stop.signal), /cancelled/);
    assert.deepEqual([...images.records.keys()], [], `cancelled at ${at}`);
  }
});

test("an image id that is known through another index stays with it, unless that is gone", async () => {
  const { images, content, recorder } = rig();
  images.records.set(CONFIG, { name: CONFIG, target: other, labels: {} });
  content.blobs.set(other.digest, Buffer.from("index"));
  await recorder.record(names, target, CONFIG, never);
  assert.equal(images.records.get(CONFIG)?.target.digest, other.digest);
  content.blobs.delete(other.digest);
  await recorder.record(names, target, CONFIG, never);
  assert.equal(images.records.get(CONFIG)?.target.digest, target.digest);
});

test("CRI is asked until it has every name, and what it lacks or takes for another image is told", async () => {
  const { clock, seen, recorder } = rig();
  seen.set("one", CONFIG);
  const waited = recorder.invisible(["one", "two"], CONFIG, never);
  await clock.advance(100);
  seen.set("two", CONFIG);
  await clock.advance(100);
  assert.equal(await waited, undefined);

  seen.set("two", "sha256:something-else");
  const answers = Promise.all(["two", "three"].map((name) => recorder.invisible([name], CONFIG, never)));
  await clock.advance(VISIBLE_TIMEOUT_MS);
  assert.deepEqual(await answers, [
    `CRI was asked for two for 20 s and has sha256:something-else for it, expected ${CONFIG}`,
    `CRI was asked for three for 20 s and does not have it, expected ${CONFIG}`,
  ]);
});
