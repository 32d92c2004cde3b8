import { isIPv6 } from "node:net";

import { InvalidValueError } from "./errors.ts";
import type { FlagSpec, HostPort } from "./flag-types.ts";
import { parseDuration, parseSize } from "./units.ts";

/** A parsed flag value of any kind. */
export type AnyFlagValue = string | boolean | number | HostPort | readonly string[];

/**
 * Parses the text of one flag after its declaration.
 * @param name how errors call it: "--grpc-port" or "TOTE_GRPC_PORT"
 * @throws InvalidValueError with one line: name, value found, what is allowed
 */
export function parseFlagValue(name: string, text: string, spec: FlagSpec): AnyFlagValue {
  switch (spec.kind) {
    case "string":
      return text;
    case "path":
      if (text === "") throw new InvalidValueError(name, "is empty, must be a path");
      return text;
    case "boolean":
      return parseBoolean(name, text);
    case "int":
      return parseInteger(name, text, spec);
    case "duration":
      return parseBounded(name, text, parseDuration, spec);
    case "size":
      return parseBounded(name, text, parseSize, spec);
    case "hostport":
      return parseHostPort(name, text);
    case "list":
      return parseList(name, text, spec.choices);
    default:
      return parseChoice(name, text, spec.choices);
  }
}

/**
 * Parses "host:port". The host is "" for every address, a name, an IPv4 address, or an IPv6 address in brackets.
 * @throws InvalidValueError that names `field` and the value found
 */
export function parseHostPort(field: string, text: string): HostPort {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([a-zA-Z0-9._-]*)):(\d{1,5})$/.exec(text);
  const [, ipv6, plain, portText] = match ?? [];
  const port = Number(portText);
  if (match === null || port > 65_535 || (ipv6 !== undefined && !isIPv6(ipv6))) {
    throw new InvalidValueError(
      field,
      `${JSON.stringify(text)} is not an address, must be host:port or :port with a port from 0 to 65535, e.g. ":8080" or "[::1]:8080"`,
    );
  }
  return { host: ipv6 ?? plain ?? "", port };
}

/** Writes an address as {@link parseHostPort} reads it. */
export function formatHostPort(address: HostPort): string {
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

function parseBoolean(name: string, text: string): boolean {
  if (text === "true") return true;
  if (text === "false") return false;
  throw new InvalidValueError(name, `${JSON.stringify(text)} is not allowed, must be true or false`);
}

function parseInteger(
  name: string,
  text: string,
  bounds: { readonly min?: number; readonly max?: number },
): number {
  const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = bounds;
  const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  const range = [
    "a whole number",
    ...(bounds.min === undefined ? [] : [`from ${min}`]),
    ...(bounds.max === undefined ? [] : [`up to ${max}`]),
  ].join(" ");
  throw new InvalidValueError(name, `${JSON.stringify(text)} is not allowed, must be ${range}`);
}

function parseBounded(
  name: string,
  text: string,
  parse: (value: string, field: string) => number,
  bounds: { readonly min?: string; readonly max?: string },
): number {
  const value = parse(text, name);
  if (bounds.min !== undefined && value < parse(bounds.min, name)) {
    throw new InvalidValueError(
      name,
      `${JSON.stringify(text)} is not allowed, must be at least ${bounds.min}`,
    );
  }
  if (bounds.max !== undefined && value > parse(bounds.max, name)) {
    throw new InvalidValueError(
      name,
      `${JSON.stringify(text)} is not allowed, must be at most ${bounds.max}`,
    );
  }
  return value;
}

function parseList(name: string, text: string, choices: readonly string[] | undefined): readonly string[] {
  const items = text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
  return choices === undefined ? items : items.map((item) => parseChoice(name, item, choices));
}

function parseChoice(name: string, text: string, choices: readonly string[]): string {
  if (choices.includes(text)) return text;
  throw new InvalidValueError(
    name,
    `${JSON.stringify(text)} is not allowed, must be one of ${choices.join(", ")}`,
  );
}
