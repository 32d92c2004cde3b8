import { run, type RunResult } from "../harness/run.ts";
import { waitFor } from "../harness/wait.ts";

/** `kubectl --kubeconfig FILE`, typed. Every call throws CommandError when kubectl fails. */
export interface Kubectl {
  /** any command */
  (
    args: readonly string[],
    options?: { readonly input?: string; readonly signal?: AbortSignal },
  ): Promise<RunResult>;
  /** `apply -f -` of objects */
  apply(...objects: readonly object[]): Promise<void>;
  /** `get -o json` of one object or a list */
  get(...args: readonly string[]): Promise<unknown>;
  /** Waits until all of "kind/name" exist and have a condition; all namespaces alike. */
  waitFor(
    condition: string,
    names: readonly string[],
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
  ): Promise<void>;
}

/** kubectl as somebody. */
export function kubectl(options: {
  readonly program: string;
  readonly kubeconfig: string;
  /** default: beside the kubeconfig, not in the home folder */
  readonly cacheDir?: string;
}): Kubectl {
  const { program, kubeconfig, cacheDir = `${kubeconfig}.cache` } = options;
  const common = ["--kubeconfig", kubeconfig, "--cache-dir", cacheDir];
  async function call(
    args: readonly string[],
    settings: { readonly input?: string; readonly signal?: AbortSignal } = {},
  ): Promise<RunResult> {
    return await run(program, [...common, ...args], settings);
  }
  return Object.assign(call, {
    async apply(...objects: readonly object[]): Promise<void> {
      const list = { apiVersion: "v1", kind: "List", items: objects };
      await call(["apply", "-f", "-"], { input: JSON.stringify(list) });
    },
    async get(...args: readonly string[]): Promise<unknown> {
      const found: unknown = JSON.parse((await call(["get", ...args, "-o", "json"])).stdout);
      return found;
    },
    async waitFor(
      condition: string,
      names: readonly string[],
      { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
    ): Promise<void> {
      await waitFor(
        `${names.join(", ")} to be ${condition}`,
        async () => {
          await call(["wait", `--for=condition=${condition}`, ...names, "--timeout=10s"]);
          return true;
        },
        { timeoutMs, intervalMs: 200, signal },
      );
    },
  });
}
