import { formatSize } from "../../lib/units.ts";
import {
  LayerState,
  type ImportProgress,
  type LayerProgress,
} from "../../proto/gen/tote/agent/v1/agent_pb.ts";

/** Tells of an import's layers: a line for each layer whenever it has come further. */
export class LayerLines {
  readonly #write: (text: string) => void;
  /** what was told last, by position */
  readonly #told = new Map<number, string>();

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  /** Takes a progress message of ImportImage. */
  see({ layers }: ImportProgress): void {
    for (const [at, layer] of layers.entries()) {
      const words = wordsOf(layer);
      if (words === undefined || words === this.#told.get(at)) continue;
      this.#told.set(at, words);
      const size = formatSize(Number(layer.size)).padStart(9);
      this.#write(
        `   layer ${at + 1} of ${layers.length}  ${layer.digest.slice(0, 19)}  ${size}  ${words}\n`,
      );
    }
  }
}

/** Undefined while there is nothing to tell. */
function wordsOf({ state, source, offset, size }: LayerProgress): string | undefined {
  const from = source === "" ? "" : ` from node ${source}`;
  switch (state) {
    case LayerState.FETCHING:
      return source === "" ? undefined : `fetching  ${percent(offset, size).padStart(4)}${from}`;
    case LayerState.FETCHED:
    case LayerState.UNPACKING:
      return source === "" ? "reused    its blob is here" : `fetched   100%${from}`;
    case LayerState.UNPACKED:
      return source === "" ? "reused    is unpacked here" : `unpacked  100%${from}`;
    default:
      return undefined;
  }
}

function percent(part: bigint, whole: bigint): string {
  return `${whole === 0n ? 100n : (100n * part) / whole}%`;
}
