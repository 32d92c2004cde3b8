import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { Code, ConnectError } from "@connectrpc/connect";

import { createManualClock } from "../../test/harness/manual-clock.ts";
import type { Layer } from "../image/tree.ts";
import { KeyedLock } from "./keyed-lock.ts";
import { Unpacker, type UnpackerContainerd } from "./unpacker.ts";

const context = { snapshotter: "overlayfs", lease: "lease", signal: new AbortController().signal };

function layer(at: number): Layer {
  const [digest, diffId, chainId] = [`blob ${at}`, `diff ${at}`, `chain ${at}`];
  return { mediaType: "layer", size: 1, digest, diffId, chainId };
}

/** A containerd with these committed snapshots; `calls` are those that change or look at something, in order. */
function rig(committed: readonly string[] = []) {
  const names = new Set(committed);
  const calls: string[] = [];
  /** runs before the answer to each call */
  const hooks: { before: (call: string) => void } = { before: () => undefined };
  const call = (text: string): void => {
    calls.push(text);
    hooks.before(text);
  };
  const containerd: UnpackerContainerd = {
    waitReady: async () => undefined,
    content: { setLabels: async (digest, labels) => call(`label ${digest} ${Object.values(labels).join()}`) },
    leases: { addResource: async (_, { id }) => call(`lease ${id}`) },
    diff: {
      async apply({ diff }) {
        call(`apply ${diff.digest}`);
        return { mediaType: "tar", size: 1, digest: diff.digest.replace("blob", "diff") };
      },
    },
    snapshots: {
      async *list() {},
      async stat(_, name) {
        call(`stat ${name}`);
        if (!names.has(name)) return undefined;
        return {
          name,
          parent: "",
          kind: "committed",
          labels: {},
          createdAt: undefined,
          updatedAt: undefined,
        };
      },
      async prepare({ parent }) {
        call(`prepare on ${parent}`);
        return [];
      },
      async commit({ name }) {
        call(`commit ${name}`);
        if (names.has(name)) return "exists";
        names.add(name);
        return "committed";
      },
      remove: async () => call("remove"),
    },
  };
  const locks = new KeyedLock();
  const clock = createManualClock();
  const unpacker = new Unpacker({ containerd, locks, clock, randomId: () => "id" });
  return { unpacker, names, calls, hooks, locks };
}

const APPLIED = ["prepare on chain 0", "apply blob 1", "commit chain 1"];

describe("unpacking a layer", () => {
  it("takes three calls, and a fourth for the label that nobody waits for", async () => {
    const { unpacker, calls } = rig(["chain 0"]);
    await unpacker.unpack(layer(1), layer(0), context);
    assert.deepEqual(calls, APPLIED);
    await unpacker.mark(layer(1), context.signal);
    assert.equal(calls.at(-1), "label blob 1 diff 1");
  });

  it("takes the snapshot into the lease that somebody else has made meanwhile", async () => {
    const { unpacker, calls } = rig(["chain 0", "chain 1"]);
    await unpacker.unpack(layer(1), layer(0), context);
    const taken = ["remove", "stat chain 1", "lease chain 1", "stat chain 1"];
    assert.deepEqual(calls, [...APPLIED, ...taken]);
  });

  it("begins anew when that one goes before it is in the lease", async () => {
    const { unpacker, calls, names, hooks } = rig(["chain 0", "chain 1"]);
    hooks.before = (call) => call === "lease chain 1" && names.delete("chain 1");
    await unpacker.unpack(layer(1), layer(0), context);
    assert.deepEqual(calls.slice(-3), APPLIED);
    assert.ok(names.has("chain 1"));
  });

  it("asks first when another import has the layer in hand, and unpacks it once", async () => {
    const { unpacker, calls } = rig(["chain 0"]);
    await Promise.all([
      unpacker.unpack(layer(1), layer(0), context),
      unpacker.unpack(layer(1), layer(0), context),
    ]);
    assert.deepEqual(calls, [...APPLIED, "stat chain 1", "lease chain 1", "stat chain 1"]);
  });

  it("asks first after containerd went away, which may have committed it", async () => {
    const { unpacker, calls, names, hooks } = rig(["chain 0"]);
    hooks.before = (call) => {
      if (call !== "commit chain 1") return;
      names.add("chain 1");
      throw new ConnectError("gone", Code.Unavailable);
    };
    await unpacker.unpack(layer(1), layer(0), context);
    assert.deepEqual(calls, [...APPLIED, "remove", "stat chain 1", "lease chain 1", "stat chain 1"]);
  });

  it("commits nothing that is not what the config says", async () => {
    const { unpacker, calls, names } = rig(["chain 0"]);
    const wrong = { ...layer(1), diffId: "diff 2" };
    await assert.rejects(unpacker.unpack(wrong, layer(0), context), {
      code: Code.DataLoss,
      message: "layer blob 1 unpacks to diff 1, the image's config says diff 2",
    });
    assert.deepEqual(calls, ["prepare on chain 0", "apply blob 1", "remove"]);
    assert.ok(!names.has("chain 1"));
  });
});

describe("looking for what is unpacked", () => {
  it("puts the topmost snapshot into the lease, or the one below when garbage collection was quicker", async () => {
    const { unpacker, calls, names, hooks } = rig(["chain 0", "chain 1"]);
    const layers = [layer(0), layer(1), layer(2)];
    assert.equal(await unpacker.unpackedDepth(layers, context), 2);
    assert.deepEqual(
      calls.filter((call) => call.startsWith("lease")),
      ["lease chain 1"],
    );
    hooks.before = (call) => call === "lease chain 1" && names.delete("chain 1");
    assert.equal(await unpacker.unpackedDepth(layers, context), 1);
    assert.equal(await rig().unpacker.unpackedDepth(layers, context), 0);
  });
});
