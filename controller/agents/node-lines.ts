type Task = () => Promise<void>;

/**
 * Runs tasks that concern nodes: those of one node one after the other, those of so many nodes at the same time. A node's
 * turn takes in all that waits for it, so that its connection serves for many, and one that is silent is found out once.
 */
export class NodeLines {
  readonly #nodesAtOnce: number;
  /** in the order of their first task */
  readonly #waiting = new Map<string, Task[]>();
  readonly #served = new Map<string, Task[]>();

  constructor(nodesAtOnce: number) {
    this.#nodesAtOnce = nodesAtOnce;
  }

  /** Runs once it is the node's turn. Rejects with what `run` throws, and does not end sooner: who waits may leave. */
  run<T>(node: string, run: () => Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const task = (): Promise<void> => run().then(resolve, reject);
    const line = this.#served.get(node) ?? this.#waiting.get(node);
    if (line === undefined) this.#waiting.set(node, [task]);
    else line.push(task);
    this.#serveNext();
    return promise;
  }

  #serveNext(): void {
    if (this.#served.size >= this.#nodesAtOnce) return;
    for (const [node, line] of this.#waiting) {
      this.#waiting.delete(node);
      this.#served.set(node, line);
      void this.#serve(node, line);
      return;
    }
  }

  async #serve(node: string, line: readonly Task[]): Promise<void> {
    // also those that come meanwhile
    for (const task of line) await task();
    this.#served.delete(node);
    this.#serveNext();
  }
}
