import type { Lookup } from "./connect.ts";

/**
 * Has at most one look-up of a name under way, whoever asks for it: each holds one of the system's few threads until it
 * ends, so a name server that does not answer for one receiver would stop all. Nothing is kept, and who asks checks the
 * addresses by itself.
 */
export function shareLookups(lookup: Lookup): Lookup {
  const underWay = new Map<string, Parameters<Lookup>[1][]>();
  return (hostname, callback) => {
    const waiting = underWay.get(hostname);
    if (waiting !== undefined) {
      waiting.push(callback);
      return;
    }
    const callbacks = [callback];
    underWay.set(hostname, callbacks);
    lookup(hostname, (error, addresses) => {
      underWay.delete(hostname);
      for (const one of callbacks) one(error, addresses);
    });
  };
}
