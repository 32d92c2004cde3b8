import { withSignals } from "./deadline.ts";
import type { CallOptions, KubeApi } from "./kube-api.ts";
import type { LeaderTerm } from "./leader-term.ts";

/**
 * The API as a leader may use it: a write is not sent once the term is over, and one that is under way is given up.
 * Reads are as before.
 */
export function leaderApi(api: KubeApi, term: LeaderTerm): KubeApi {
  async function write<O extends CallOptions, T>(options: O, call: (options: O) => Promise<T>): Promise<T> {
    term.assertLeading();
    return await withSignals([options.signal, term.signal], (signal) =>
      call({
        ...options,
        signal,
        guard() {
          term.assertLeading();
          options.guard?.();
        },
      }),
    );
  }
  return {
    get: (of, key, options) => api.get(of, key, options),
    getPath: (path, options) => api.getPath(path, options),
    list: (of, options) => api.list(of, options),
    watch: (of, options) => api.watch(of, options),
    create: (of, object, options) => write(options, (safe) => api.create(of, object, safe)),
    replace: (of, object, options) => write(options, (safe) => api.replace(of, object, safe)),
    patch: (of, key, patch, options) => write(options, (safe) => api.patch(of, key, patch, safe)),
    delete: (of, key, options) => write(options, (safe) => api.delete(of, key, safe)),
  };
}
