import assert from "node:assert/strict";
import { test } from "node:test";

import { createAddressPolicy, parseCidr } from "./addresses.ts";

const byDefault = createAddressPolicy({ allow: [], refusePrivate: false, alsoRefuse: ["10.96.0.1"] });

test("loopback, link-local, metadata, multicast and reserved addresses are refused in every form", () => {
  const refused: readonly (readonly [string, RegExp])[] = [
    ["127.0.0.1", /loopback/],
    ["127.255.255.254", /loopback/],
    ["0.0.0.0", /unspecified/],
    ["169.254.169.254", /link-local/],
    ["100.100.100.200", /metadata/],
    ["168.63.129.16", /metadata/],
    ["224.0.0.1", /multicast/],
    ["255.255.255.255", /reserved/],
    ["::", /unspecified/],
    ["::1", /loopback/],
    ["fe80::1", /link-local/],
    ["fe80::1%eth0", /link-local/],
    ["fd00:ec2::254", /metadata/],
    ["ff02::1", /multicast/],
    ["::ffff:127.0.0.1", /loopback/],
    ["::ffff:a9fe:a9fe", /link-local/],
    ["::ffff:0:169.254.169.254", /link-local/],
    ["::127.0.0.1", /loopback/],
    ["64:ff9b::169.254.169.254", /link-local/],
    ["64:ff9b:1::7f00:1", /loopback/],
    ["2002:7f00:1::", /loopback/],
    ["2002:a9fe:a9fe::1", /link-local/],
    ["2001:0:1234::1", /Teredo/],
    ["10.96.0.1", /Kubernetes API/],
    ["::ffff:10.96.0.1", /Kubernetes API/],
    ["receiver.example", /no address/],
  ];
  for (const [address, why] of refused) assert.match(byDefault.refusal(address) ?? "allowed", why, address);
});

test("public and private addresses are allowed, private ones unless the operator refuses them", () => {
  const strict = createAddressPolicy({ allow: ["10.1.0.0/16"], refusePrivate: true, alsoRefuse: [] });
  for (const address of [
    "93.184.216.34",
    "2606:2800:220:1::1",
    "::ffff:93.184.216.34",
    "2002:5db8:d822::1",
  ]) {
    assert.equal(byDefault.refusal(address), undefined, address);
    assert.equal(strict.refusal(address), undefined, address);
  }
  for (const address of [
    "10.2.3.4",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "fd12::1",
    "::ffff:10.2.3.4",
  ]) {
    assert.equal(byDefault.refusal(address), undefined, address);
    assert.match(strict.refusal(address) ?? "allowed", /private/, address);
  }
  assert.equal(strict.refusal("10.1.2.3"), undefined);
});

test("what is named is allowed, and nothing beside it", () => {
  const policy = createAddressPolicy({
    allow: ["127.0.0.1/32", "fe80::/64", "169.254.0.0/24"],
    refusePrivate: false,
    alsoRefuse: [],
  });
  for (const address of ["127.0.0.1", "fe80::1", "169.254.0.9", "::ffff:127.0.0.1"]) {
    assert.equal(policy.refusal(address), undefined, address);
  }
  for (const address of ["127.0.0.2", "fe80:1::1", "169.254.169.254"]) {
    assert.notEqual(policy.refusal(address), undefined, address);
  }
});

test("a range that is none is refused with its text", () => {
  for (const text of [
    "10.0.0.0/33",
    "10.0.0/8",
    "example.org",
    "fd00::/129",
    "10.0.0.0/8/8",
    "",
    "fe80::1%eth0",
  ]) {
    assert.throws(
      () => parseCidr(text, "allowAddresses[0]"),
      (error: Error) => error.message.startsWith(`allowAddresses[0]: ${JSON.stringify(text)} is no range`),
    );
  }
  assert.deepEqual(parseCidr("10.0.0.1", "x"), { address: "10.0.0.1", prefix: 32 });
});
