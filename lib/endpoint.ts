import { isIP, isIPv4, isIPv6 } from "node:net";

import { InvalidValueError } from "./errors.ts";

/** Where an agent listens. */
export interface Endpoint {
  /** base URL without trailing slash, e.g. "https://10.0.0.7:9090" */
  readonly url: string;
  /** IP address or, in insecure mode, a name; IPv6 without brackets */
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
}

/** Which rule holds. */
export interface EndpointRules {
  /** the process runs with `--insecure`: http, and names as well as addresses */
  readonly insecure: boolean;
}

/** Longest endpoint that is looked at, in characters. */
const MAX_ENDPOINT_LENGTH = 300;

/**
 * Parses the URL of an agent: scheme, host, explicit port and nothing else. With TLS only https and IP literals, so
 * that no resolver decides who is dialled; with `insecure` only http, to any host.
 *
 * Works on the text itself: the URL parser would accept "https://0x7f.1:9090" and drop a default port.
 *
 * @param value the URL
 * @param field how errors call it
 * @throws InvalidValueError that says which part is wrong
 */
export function parseEndpoint(value: string, rules: EndpointRules, field = "endpoint"): Endpoint {
  const example = rules.insecure ? "http://node-a:9090" : "https://10.0.0.7:9090";
  const refuse = (reason: string): InvalidValueError => {
    const shown = value.length > MAX_ENDPOINT_LENGTH ? `${value.slice(0, MAX_ENDPOINT_LENGTH)}...` : value;
    return new InvalidValueError(field, `${JSON.stringify(shown)} ${reason}, must be like ${example}`);
  };
  if (value.length > MAX_ENDPOINT_LENGTH) throw refuse("is too long");
  const [, scheme, authority, rest] = /^([a-z]+):\/\/([^/?#\\]*)([^]*)$/.exec(value) ?? [];
  if (scheme === undefined || authority === undefined) throw refuse("is not a URL");
  const wanted = rules.insecure ? "http" : "https";
  if (scheme !== wanted) {
    throw refuse(rules.insecure ? "is not http, which --insecure means" : "is not https");
  }
  if (rest !== "") throw refuse("has something after the port");
  if (authority.includes("@")) throw refuse("has user information");

  const [, bracketed, plain, portText] =
    /^(?:\[([0-9a-fA-F:.]+)\]|([^[\]:]+)):(\d{1,5})$/.exec(authority) ?? [];
  const port = Number(portText);
  if (portText === undefined) throw refuse("has no explicit port or no host");
  if (port < 1 || port > 65_535 || String(port) !== portText)
    throw refuse("has a port that is not from 1 to 65535");
  const host = bracketed ?? plain ?? "";
  if (bracketed !== undefined ? !isIPv6(bracketed) : !isAllowedHost(host, rules)) {
    throw refuse(rules.insecure ? "has no legal host" : "has a host that is not an IP address");
  }
  const shownHost = isIP(host) === 6 ? `[${host}]` : host;
  return { url: `${wanted}://${shownHost}:${port}`, host, port, secure: !rules.insecure };
}

function isAllowedHost(host: string, rules: EndpointRules): boolean {
  if (isIPv4(host)) return true;
  return rules.insecure && /^[a-zA-Z0-9](?:[a-zA-Z0-9._-]*[a-zA-Z0-9])?$/.test(host);
}
