import { lookup as systemLookup } from "node:dns";
import type { LookupAddress } from "node:dns";
import { isIP } from "node:net";
import type { LookupFunction } from "node:net";

import { buildConnector } from "undici";

import type { AddressPolicy } from "./addresses.ts";
import { HttpFailure } from "./http.ts";

/** Finds all addresses of a name, as `dns.lookup` with `all`. */
export type Lookup = (
  hostname: string,
  callback: (error: Error | null, addresses: readonly LookupAddress[]) => void,
) => void;

/** TLS towards one receiver, PEM; "" for what is not set. */
export interface ConnectTls {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** What connections are made with. */
export interface ConnectorOptions {
  readonly policy: AddressPolicy;
  readonly tls: ConnectTls;
  /** milliseconds until a connection stands, TLS included */
  readonly timeoutMs: number;
  /** default: the system's */
  readonly lookup?: Lookup;
}

/**
 * Makes undici's `connect`: no dial uses an answer that was there before it, and only addresses that the policy allows are dialled. The
 * address that is checked is the one that is used, so that no answer of a name server comes in between.
 */
export function createConnector(options: ConnectorOptions): buildConnector.connector {
  const { policy, tls, timeoutMs, lookup = lookupAll } = options;
  const connect = buildConnector({
    ...tlsOptions(tls),
    timeout: timeoutMs,
    allowH2: false,
    lookup: checkedLookup(policy, lookup),
  });
  return (target, callback) => {
    const host = target.hostname.replace(/^\[(.*)\]$/, "$1");
    // a literal is never looked up
    const refusal = isIP(host) === 0 ? undefined : policy.refusal(host);
    if (refusal === undefined) connect(target, callback);
    else callback(refuse(host, refusal), null);
  };
}

/** TLS options of Node: TLS 1.2 or newer, the system's CAs unless others are given. */
export function tlsOptions(tls: ConnectTls): Record<string, string> {
  return {
    minVersion: "TLSv1.2",
    ...(tls.ca !== "" && { ca: tls.ca }),
    ...(tls.cert !== "" && { cert: tls.cert }),
    ...(tls.key !== "" && { key: tls.key }),
  };
}

function checkedLookup(policy: AddressPolicy, lookup: Lookup): LookupFunction {
  return (hostname, { all, family }, callback) => {
    lookup(hostname, (error, found) => {
      if (error !== null) {
        callback(error, "", 0);
        return;
      }
      const wanted = family === 4 || family === 6 ? found.filter((one) => one.family === family) : found;
      const allowed = wanted.filter(({ address }) => policy.refusal(address) === undefined);
      const [first] = allowed;
      const [refused] = wanted;
      if (first === undefined) {
        const address = refused?.address ?? "";
        const why = refused === undefined ? "it has none" : (policy.refusal(address) ?? "");
        callback(refuse(`${hostname} (${address})`, why), "", 0);
        return;
      }
      if (all === true) callback(null, [...allowed]);
      else callback(null, first.address, first.family);
    });
  };
}

function refuse(what: string, why: string): HttpFailure {
  return new HttpFailure(
    "address",
    `the address of ${what} is not dialled: ${why}; name it in allowAddresses if it is meant`,
  );
}

/** The system's {@link Lookup}. */
export function lookupAll(hostname: string, callback: Parameters<Lookup>[1]): void {
  systemLookup(hostname, { all: true }, (error, addresses) => callback(error, addresses));
}
