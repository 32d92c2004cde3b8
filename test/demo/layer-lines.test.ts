import assert from "node:assert/strict";
import { test } from "node:test";

import { create } from "@bufbuild/protobuf";

import { ImportProgressSchema, LayerState } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { LayerLines } from "./layer-lines.ts";

const MIB = 2 ** 20;

/** What is told of one layer that goes through these states: state, offset, source. */
function tell(...states: readonly (readonly [LayerState, number, string])[]): readonly string[] {
  const lines: string[] = [];
  const told = new LayerLines((text) => void lines.push(text));
  for (const [state, offset, source] of states) {
    const layer = { digest: `sha256:${"ab".repeat(32)}`, size: BigInt(4 * MIB), state, source };
    told.see(create(ImportProgressSchema, { layers: [{ ...layer, offset: BigInt(offset) }] }));
  }
  return lines.map((line) => line.replace("   layer 1 of 1  sha256:abababababab      4 MiB  ", ""));
}

test("a layer that is fetched is told with its source, each time that it has come further", () => {
  const lines = tell(
    [LayerState.WAITING, 0, ""],
    [LayerState.FETCHING, 0, ""],
    [LayerState.FETCHING, MIB, "a"],
    [LayerState.FETCHING, MIB, "a"],
    [LayerState.FETCHED, 4 * MIB, "a"],
    [LayerState.UNPACKING, 4 * MIB, "a"],
    [LayerState.UNPACKED, 4 * MIB, "a"],
  );
  assert.deepEqual(lines, [
    "fetching   25% from node a\n",
    "fetched   100% from node a\n",
    "unpacked  100% from node a\n",
  ]);
});

test("a layer that is here already is reused, as blob or unpacked", () => {
  assert.deepEqual(tell([LayerState.UNPACKED, 4 * MIB, ""]), ["reused    is unpacked here\n"]);
  const fromBlob = tell([LayerState.FETCHED, 4 * MIB, ""], [LayerState.UNPACKING, 4 * MIB, ""]);
  assert.deepEqual(fromBlob, ["reused    its blob is here\n"]);
});
