import { BlockList, isIPv4, isIPv6 } from "node:net";

import { InvalidValueError } from "../../lib/errors.ts";

/** Ranges that are refused unless they are named: [CIDR, what it is]. Registries of IANA, clouds' documentation. */
const REFUSED: readonly (readonly [cidr: string, what: string])[] = [
  ["0.0.0.0/8", "unspecified"],
  ["127.0.0.0/8", "loopback"],
  ["169.254.0.0/16", "link-local, where clouds keep their metadata"],
  ["100.100.100.200/32", "a metadata service"],
  ["168.63.129.16/32", "a metadata service"],
  ["192.0.0.192/32", "a metadata service"],
  ["224.0.0.0/4", "multicast"],
  ["240.0.0.0/4", "reserved"],
  ["::/128", "unspecified"],
  ["::1/128", "loopback"],
  ["fe80::/10", "link-local"],
  ["fd00:ec2::/32", "a metadata service"],
  ["fd20:ce::254/128", "a metadata service"],
  ["ff00::/8", "multicast"],
  ["2001::/32", "Teredo, which hides another address"],
];

/** Ranges of private networks: allowed, unless the operator says otherwise. */
const PRIVATE: readonly (readonly [cidr: string, what: string])[] = [
  ["10.0.0.0/8", "private"],
  ["172.16.0.0/12", "private"],
  ["192.168.0.0/16", "private"],
  ["100.64.0.0/10", "private"],
  ["fc00::/7", "private"],
  ["fec0::/10", "private"],
];

/** IPv6 ranges that carry an IPv4 address: it is judged by that. [CIDR, offset of the address in bytes]. */
const EMBEDDING: readonly (readonly [cidr: string, offset: number])[] = [
  ["::ffff:0:0/96", 12],
  ["::ffff:0:0:0/96", 12],
  ["64:ff9b::/96", 12],
  ["64:ff9b:1::/48", 12],
  ["2002::/16", 2],
  ["::/96", 12],
];

/** What may be dialled beyond the default. */
export interface AddressPolicyOptions {
  /** CIDRs that are allowed although they are refused by default */
  readonly allow: readonly string[];
  /** refuse private networks, too */
  readonly refusePrivate: boolean;
  /** single addresses that are refused as well, e.g. that of the Kubernetes API */
  readonly alsoRefuse: readonly string[];
}

/** Decides which addresses may be dialled. */
export interface AddressPolicy {
  /** Why an address must not be dialled; undefined when it may. */
  refusal(address: string): string | undefined;
}

/**
 * Makes the policy of a subscription.
 * @throws InvalidValueError for something that is no CIDR
 */
export function createAddressPolicy(options: AddressPolicyOptions): AddressPolicy {
  const { allow, refusePrivate, alsoRefuse } = options;
  const allowed = blockList(allow);
  const ranges = [...REFUSED, ...(refusePrivate ? PRIVATE : [])].map(([cidr, what]) => ({
    list: blockList([cidr]),
    what,
  }));
  const others = blockList(alsoRefuse.map((address) => `${address}/${isIPv6(address) ? 128 : 32}`));
  const embedding = EMBEDDING.map(([cidr, offset]) => ({ list: blockList([cidr]), offset }));

  function refusal(address: string): string | undefined {
    if (holds(allowed, address)) return undefined;
    const range = ranges.find(({ list }) => holds(list, address));
    if (range !== undefined) return range.what;
    if (holds(others, address)) return "the Kubernetes API";
    if (!isIPv6(address)) return isIPv4(address) ? undefined : "no address";
    const carrier = embedding.find(({ list }) => holds(list, address));
    return carrier === undefined ? undefined : refusal(ipv4Inside(address, carrier.offset));
  }
  return { refusal };
}

/**
 * Checks a CIDR; a single address counts as one, too.
 * @throws InvalidValueError that names `field` and the value
 */
export function parseCidr(
  text: string,
  field: string,
): { readonly address: string; readonly prefix: number } {
  const [address = "", prefixText, ...rest] = text.split("/");
  const bits = isIPv4(address) ? 32 : isIPv6(address) ? 128 : undefined;
  const prefix =
    prefixText === undefined ? bits : /^\d{1,3}$/.test(prefixText) ? Number(prefixText) : undefined;
  if (
    bits === undefined ||
    prefix === undefined ||
    prefix > bits ||
    rest.length > 0 ||
    address.includes("%")
  ) {
    throw new InvalidValueError(
      field,
      `${JSON.stringify(text)} is no range of addresses, must be like "10.0.0.0/8", "127.0.0.1/32" or "fd00::/8"`,
    );
  }
  return { address, prefix };
}

function blockList(cidrs: readonly string[]): BlockList {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const { address, prefix } = parseCidr(cidr, "allowAddresses");
    list.addSubnet(address, prefix, isIPv6(address) ? "ipv6" : "ipv4");
  }
  return list;
}

function holds(list: BlockList, address: string): boolean {
  const [bare = ""] = address.split("%");
  if (isIPv4(bare)) return list.check(bare, "ipv4");
  return isIPv6(bare) && list.check(bare, "ipv6");
}

function ipv4Inside(address: string, offset: number): string {
  return [...ipv6Bytes(address)].slice(offset, offset + 4).join(".");
}

/** The 16 bytes of an IPv6 address that was checked to be one. */
function ipv6Bytes(address: string): Uint8Array {
  // a URL writes every form of an address in the same way, dotted tails included
  const canonical = new URL(`http://[${address.split("%")[0] ?? ""}]`).hostname.slice(1, -1);
  const [head = "", tail] = canonical.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const groups = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => "0"), ...right];
  const bytes = new Uint8Array(16);
  for (const [index, group] of groups.entries()) {
    const value = Number.parseInt(group, 16);
    bytes[2 * index] = value >> 8;
    bytes[2 * index + 1] = value & 0xff;
  }
  return bytes;
}
