import { formatSize } from "../../lib/units.ts";
import {
  LayerState,
  type ImportProgress,
  type LayerProgress,
} from "../../proto/gen/tote/agent/v1/agent_pb.ts";

const BAR_WIDTH = 24;

const WORDS: Readonly<Record<LayerState, string>> = {
  [LayerState.UNSPECIFIED]: "",
  [LayerState.WAITING]: "waiting",
  [LayerState.FETCHING]: "fetching",
  [LayerState.FETCHED]: "fetched",
  [LayerState.UNPACKING]: "unpacking",
  [LayerState.UNPACKED]: "unpacked",
};

/** Shows an import's progress, a line per layer: drawn over again on a terminal, else once per change of state. */
export class LayerLines {
  readonly #write: (text: string) => void;
  readonly #isTerminal: boolean;
  #drawn = 0;
  readonly #states = new Map<number, LayerState>();

  constructor(options: { readonly write: (text: string) => void; readonly isTerminal: boolean }) {
    this.#write = options.write;
    this.#isTerminal = options.isTerminal;
  }

  /** Draws the newest progress. */
  show({ layers }: ImportProgress): void {
    if (this.#isTerminal && this.#drawn > 0) this.#write(`\x1b[${this.#drawn}A`);
    for (const [at, layer] of layers.entries()) {
      if (!this.#isTerminal && this.#states.get(at) === layer.state) continue;
      this.#states.set(at, layer.state);
      this.#write(`${this.#isTerminal ? "\x1b[2K" : ""}   ${layerLine(layer)}\n`);
    }
    this.#drawn = layers.length;
  }
}

/** One layer in words: digest, bar, size, state, source. */
export function layerLine({ digest, size, offset, state, source }: LayerProgress): string {
  const part = size === 0n ? 1 : Number(offset) / Number(size);
  const filled = Math.round(part * BAR_WIDTH);
  const bar = "#".repeat(filled).padEnd(BAR_WIDTH, ".");
  const from = source === "" ? "" : ` from ${source}`;
  return `${digest.slice(7, 19)} [${bar}] ${formatSize(Number(size)).padStart(8)} ${WORDS[state]}${from}`;
}
